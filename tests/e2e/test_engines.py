"""A whole installation on MinIO and Elasticsearch: documents from the upload to the hit, and to their deletion."""

import asyncio
import re
import time
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
import urllib3

from tests.support.elasticsearch import ElasticsearchUnderTest
from tests.support.graphql_client import Client
from tests.support.installation import Installation, installed
from tests.support.minio import ACCESS_KEY, SECRET_KEY, running_minio

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CREATE_BASE = """
mutation ($input: CreateKnowledgeBaseInput!) {
  createKnowledgeBase(input: $input) {
    ... on CreateKnowledgeBasePayload { knowledgeBase { id } } ... on Error { message code }
  }
}
"""
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
  completeUpload(input: $input) { ... on CompleteUploadPayload { file { id url } } ... on Error { message code } }
}
"""
ADD = """
mutation ($input: AddDocumentInput!) {
  addDocument(input: $input) { ... on AddDocumentPayload { document { id } } ... on Error { message code } }
}
"""
DELETE = """
mutation ($input: DeleteDocumentInput!) {
  deleteDocument(input: $input) { ... on DeleteDocumentPayload { deletedId } ... on Error { message code } }
}
"""
STATE = "query ($id: ID!) { node(id: $id) { ... on Document { state problem { code } } } }"
SEARCH = """
query ($input: SearchKnowledgeInput!) {
  searchKnowledge(input: $input) { mode hits { document { id } chunk { text } } }
}
"""
FILES = {
    "router.md": b"# Router\n\nError AX-3391-B means that the disk is missing.\n",
    "weather.txt": "明天下雨,请带伞。\n".encode(),
    "fish.html": b"<html><body><h1>Fish</h1><p>The red fish sleeps at night.</p></body></html>",
}
QUESTIONS = {"router.md": "AX-3391-B", "weather.txt": "明天", "fish.html": "red fish"}


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, elasticsearch: ElasticsearchUnderTest
) -> Generator[Installation]:
    """An installation whose files are in MinIO and whose search index is Elasticsearch."""
    with running_minio(tmp_path_factory.mktemp("minio")) as minio:
        environment = {
            "NEXENT_OBJECTS__ENDPOINT": minio.endpoint,
            "NEXENT_OBJECTS__ACCESS_KEY": ACCESS_KEY,
            "NEXENT_OBJECTS__SECRET_KEY": SECRET_KEY.get_secret_value(),
            "NEXENT_SEARCH__ENDPOINT": elasticsearch.url,
            "NEXENT_SEARCH__USER": elasticsearch.user,
            "NEXENT_SEARCH__PASSWORD": elasticsearch.password,
            "NEXENT_SEARCH__PREFIX": elasticsearch.new_prefix(),
        }
        state_dir = Path(tmp_path_factory.mktemp("engines")) / "state"
        with installed(state_dir, environment=environment) as instance:
            yield instance


async def upload(client: Client, name: str, content: bytes) -> str:
    """Upload a file to MinIO by its signed URL, and return its id."""
    created = (await client.one(CREATE, input={"name": name, "sizeBytes": len(content)}))["upload"]
    (part,) = created["parts"]
    headers = {header["name"]: header["value"] for header in part["headers"]}
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        answer = await http.request(part["method"], part["url"], content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        file = (await client.one(COMPLETE, input={"uploadId": created["id"]}))["file"]
        assert (await http.get(file["url"])).content == content
    return str(file["id"])


async def wait_ready(client: Client, document_id: str) -> None:
    deadline = time.monotonic() + 120
    while (node := (await client.execute(STATE, id=document_id))["node"])["state"] != "READY":
        assert node["state"] != "FAILED", node
        assert time.monotonic() < deadline, node
        await asyncio.sleep(0.2)


def drop_indexes(node: ElasticsearchUnderTest, prefix: str) -> None:
    headers = urllib3.make_headers(basic_auth=f"{node.user}:{node.password}")
    with urllib3.PoolManager(timeout=30, retries=False) as pool:
        answer = pool.request("DELETE", f"{node.url}/{prefix}-chunks-1,{prefix}-records-1", headers=headers)
    assert answer.status == 200, answer.data


def counts_of(report: str) -> tuple[int, int]:
    """Return how many documents a rebuild compared and stored."""
    ((compared, stored),) = re.findall(r"(\d+) documents compared, (\d+) stored", report)
    return int(compared), int(stored)


async def test_documents_are_found_until_they_are_deleted(
    installation: Installation, elasticsearch: ElasticsearchUnderTest
) -> None:
    async with Client(installation.url, installation.token()) as client:
        base = (await client.one(CREATE_BASE, input={"name": "Manuals"}))["knowledgeBase"]["id"]

        async def find(name: str) -> list[str]:
            search = {"query": QUESTIONS[name], "knowledgeBaseIds": [base]}
            hits = (await client.execute(SEARCH, input=search))["searchKnowledge"]["hits"]
            return [hit["document"]["id"] for hit in hits]

        documents: dict[str, str] = {}
        for name, content in FILES.items():
            source = {"file": {"fileId": await upload(client, name, content)}}
            added = await client.one(ADD, input={"knowledgeBaseId": base, "source": source})
            documents[name] = added["document"]["id"]
        for name, document_id in documents.items():
            await wait_ready(client, document_id)
            assert (await find(name))[0] == document_id
        report = installation.command("doctor", "--port", str(installation.port))
        assert "ok    search index: answers" in report.stdout
        assert "ok    object storage: answers" in report.stdout

        drop_indexes(elasticsearch, installation.environment["NEXENT_SEARCH__PREFIX"])
        rebuilt = installation.command("index", "rebuild")
        assert rebuilt.returncode == 0, rebuilt.stderr
        compared, stored = counts_of(rebuilt.stdout)
        assert compared == stored
        assert compared >= len(documents)  # the documents of the demo too
        for name, document_id in documents.items():
            assert (await find(name))[0] == document_id

        await client.one(DELETE, input={"documentId": documents["fish.html"]})
        assert documents["fish.html"] not in await find("fish.html")
        assert (await find("router.md"))[0] == documents["router.md"]
        again = installation.command("index", "rebuild")
        assert (again.returncode, counts_of(again.stdout)) == (0, (compared - 1, 0))
