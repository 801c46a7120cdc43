"""Files of a whole installation: uploaded by signed requests, downloaded by range, deleted by a worker."""

import hashlib
from pathlib import Path

import httpx2
import pytest

from tests.support.graphql_client import Client
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


def stored(installation: Installation) -> list[Path]:
    return [path for path in (installation.state_dir / "objects").rglob("*") if path.is_file()]


async def test_a_file_from_upload_to_deletion(installation: Installation, client: Client) -> None:
    content = b"%PDF-1.7\n" + bytes(range(256)) * 4_000
    announced = {"name": "report.pdf", "sizeBytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    upload = (await client.one(CREATE, input=announced))["upload"]
    (part,) = upload["parts"]
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        headers = {header["name"]: header["value"] for header in part["headers"]}
        sent = await http.request(part["method"], part["url"], content=content, headers=headers)
        assert sent.status_code == 204, sent.text
        file = (await client.one(COMPLETE, input={"uploadId": upload["id"]}))["file"]
        assert (file["sizeBytes"], file["contentType"]) == (len(content), "application/pdf")
        answer = await http.get(file["url"], headers={"Range": "bytes=9-264"})
        assert (answer.status_code, answer.content) == (206, bytes(range(256)))
        await client.one(DELETE, input={"fileId": file["id"]})
        assert (await http.get(file["url"])).status_code == 404
    await eventually(lambda: stored(installation) == [], within_s=30)
    report = installation.command("orphans")
    assert (report.returncode, report.stdout) == (
        0,
        "0 objects older than 60 minutes belong to nothing, 0 are missing\n",
    )
