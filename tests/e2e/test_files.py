"""Files of a whole installation: uploaded by signed requests, downloaded by range, deleted by a worker."""

import hashlib
from base64 import b64encode
from contextlib import suppress
from typing import cast

import httpx2
import pytest

from tests.e2e.conftest import Scenario
from tests.support.fake_provider import Text
from tests.support.graphql_client import Client, Data, assert_complete
from tests.support.installation import Installation
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    ... on CreateUploadPayload { upload { id parts { method url headers { name value } } } }
    ... on Error { message code }
  }
}
"""
COMPLETE = """
mutation ($input: CompleteUploadInput!) {
  completeUpload(input: $input) {
    ... on CompleteUploadPayload { file { id sizeBytes contentType url } } ... on Error { message code }
  }
}
"""
DELETE = """
mutation ($input: DeleteFileInput!) {
  deleteFile(input: $input) { ... on DeleteFilePayload { deletedId } ... on Error { message code } }
}
"""


PARTS = """
query ($id: ID!) {
  message(id: $id) {
    parts {
      __typename
      ... on ImageMessagePart { mediaType url file { id name } }
      ... on FileMessagePart { name mode file { id } }
    }
  }
}
"""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


async def upload(client: Client, name: str, content: bytes) -> str:
    """Upload a file and return its id."""
    created = (await client.one(CREATE, input={"name": name, "sizeBytes": len(content)}))["upload"]
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        assert (await http.put(created["parts"][0]["url"], content=content)).status_code == 204
    done = await client.one(COMPLETE, input={"uploadId": created["id"]})
    return cast("str", done["file"]["id"])


def stored_sizes(installation: Installation) -> list[int]:
    """Return the sizes of stored objects; the documents of the demo are stored too."""
    sizes: list[int] = []
    for path in (installation.state_dir / "objects").rglob("*"):
        with suppress(FileNotFoundError):  # deleted meanwhile
            sizes.append(path.stat().st_size)
    return sizes


async def test_a_file_from_upload_to_deletion(installation: Installation, client: Client) -> None:
    content = b"%PDF-1.7\n" + bytes(range(256)) * 4_000
    announced = {"name": "report.pdf", "sizeBytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    upload = (await client.one(CREATE, input=announced))["upload"]
    (part,) = upload["parts"]
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        headers = {header["name"]: header["value"] for header in part["headers"]}
        payload = await http.request(part["method"], part["url"], content=content, headers=headers)
        assert payload.status_code == 204, payload.text
        file = (await client.one(COMPLETE, input={"uploadId": upload["id"]}))["file"]
        assert (file["sizeBytes"], file["contentType"]) == (len(content), "application/pdf")
        answer = await http.get(file["url"], headers={"Range": "bytes=9-264"})
        assert (answer.status_code, answer.content) == (206, bytes(range(256)))
        assert len(content) in stored_sizes(installation)
        await client.one(DELETE, input={"fileId": file["id"]})
        assert (await http.get(file["url"])).status_code == 404
    await eventually(lambda: len(content) not in stored_sizes(installation), within_s=30)
    report = installation.command("orphans")
    objects, versions = report.stdout.split("; ")
    assert (report.returncode, objects) == (0, "0 objects older than 3600 s belong to nothing, 0 are missing")
    assert versions == "0 versions in the search index belong to nothing\n"


async def test_an_attached_image_reaches_the_model_and_a_document_is_named(scenario: Scenario) -> None:
    client, provider = scenario.client, scenario.provider
    image, text = await upload(client, "chart.png", PNG), await upload(client, "notes.txt", b"Some notes.")
    provider.script(scenario.script, [Text("I see a chart.")], [Text("Nothing there.")])
    payload = await scenario.send("What is it?", attachments=[{"fileId": image}, {"fileId": text, "mode": "FULL"}])
    assert_complete(await client.whole(payload["run"]["id"]))
    assert (await client.run(payload["run"]["id"]))["status"] == "SUCCEEDED"
    question = cast("list[Data]", provider.requests[0].messages[-1]["content"])
    assert {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(PNG).decode()}"}} in question
    assert any("notes.txt" in str(part.get("text")) for part in question)
    parts = (await client.one(PARTS, id=payload["userMessage"]["id"]))["parts"]
    assert parts[1:] == [
        {
            "__typename": "ImageMessagePart",
            "mediaType": "image/png",
            "url": None,
            "file": {"id": image, "name": "chart.png"},
        },
        {"__typename": "FileMessagePart", "name": "notes.txt", "mode": "FULL", "file": {"id": text}},
    ]
    await client.one(DELETE, input={"fileId": image})
    parts = (await client.one(PARTS, id=payload["userMessage"]["id"]))["parts"]
    assert parts[1]["file"] is None
    refused = await scenario.send("Again", attachments=[{"fileId": image}])
    assert (refused["__typename"], refused["code"]) == ("NotFoundError", "NOT_FOUND")
    later = await client.send("And now?", conversationId=payload["conversation"]["id"])
    assert_complete(await client.whole(later["run"]["id"]))
    assert (await client.run(later["run"]["id"]))["status"] == "SUCCEEDED"
    assert "image_url" not in str(provider.requests[-1].body)
