"""A server with files in a temporary folder, and a client that uploads to it as clients do."""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx2

from nexent_gql.app import create_app
from nexent_gql.asgi import open_backend
from tests.support.api_server import listening
from tests.support.databases import make_settings

Data = dict[str, Any]
SIGN_UP = """
mutation ($input: SignUpInput!) { signUp(input: $input) { ... on SignUpPayload { accessToken } } }"""
ERRORS = """
    ... on Error { message code } ... on ValidationError { path }
"""
UPLOAD = "upload { id sizeBytes expiresAt parts { number offsetBytes sizeBytes method url headers { name value } } }"
FILE = "file { id name sizeBytes contentType sha256 url preview { text imageUrl } }"


@dataclass
class FileServer:
    """A running server; `http` is signed in (see `as_new_user`), `stranger` is not."""

    url: str
    http: httpx2.AsyncClient
    stranger: httpx2.AsyncClient
    folder: Path
    stored_before: frozenset[str] = frozenset()

    async def as_new_user(self) -> "FileServer":
        """Return the same server for the owner of a new tenant; `stored` leaves out what was there before."""
        client = await self.sign_up(uuid4().hex)
        return replace(self, http=client, stored_before=frozenset(self.stored()))

    async def sign_up(self, name: str) -> httpx2.AsyncClient:
        """Return a client that is signed in as the owner of another tenant."""
        client = httpx2.AsyncClient(trust_env=False, timeout=30)
        values = {
            "email": f"{name}@example.org",
            "password": "correct horse battery",
            "displayName": name,
            "tenantName": name,
        }
        answer = (await client.post(self.url, json={"query": SIGN_UP, "variables": {"input": values}})).json()
        client.headers["Authorization"] = f"Bearer {answer['data']['signUp']['accessToken']}"
        return client

    async def ask(self, query: str, /, **variables: object) -> Data:
        """Run an operation and return its data."""
        body = {"query": query, "variables": variables}
        answer = (await self.http.post(self.url, json=body)).json()
        assert "errors" not in answer, answer
        return cast("Data", answer["data"])

    async def mutate(self, name: str, fields: str, /, **input: object) -> Data:
        """Run a mutation and return the member of its union."""
        kind = f"{name[0].upper()}{name[1:]}"
        selection = f"{{ __typename {ERRORS} ... on {kind}Payload {{ {fields} }} }}"
        query = f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {selection} }}"
        return cast("Data", (await self.ask(query, input=input))[name])

    async def create(self, content: bytes, name: str = "notes.txt", **input: object) -> Data:
        """Announce a file."""
        created = await self.mutate("createUpload", UPLOAD, name=name, sizeBytes=len(content), **input)
        return cast("Data", created["upload"]) if "upload" in created else created

    async def send(self, upload: Data, content: bytes) -> list[int]:
        """Send all parts as their requests say; returns the statuses."""
        statuses: list[int] = []
        for part in upload["parts"]:
            start = part["offsetBytes"]
            body = content[start : start + part["sizeBytes"]]
            response = await self.stranger.request(part["method"], part["url"], content=body)
            statuses.append(response.status_code)
        return statuses

    async def complete(self, upload: Data) -> Data:
        """Complete an upload; returns the file or the error."""
        done = await self.mutate("completeUpload", FILE, uploadId=upload["id"])
        return cast("Data", done.get("file", done))

    async def upload(self, content: bytes, name: str = "notes.txt", **input: object) -> Data:
        """Upload a file."""
        upload = await self.create(content, name, **input)
        await self.send(upload, content)
        return await self.complete(upload)

    def stored(self) -> list[str]:
        """Return the keys of all objects, and the names of temporary files."""
        paths = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}
        return sorted(paths - self.stored_before)


def digest(content: bytes) -> str:
    """Return the SHA-256 of content."""
    return hashlib.sha256(content).hexdigest()


@asynccontextmanager
async def file_server(
    owner_url: str,
    redis_url: str,
    folder: Path,
    *,
    objects: Mapping[str, object] | None = None,
    limits: Mapping[str, object] | None = None,
    **files: object,
) -> AsyncGenerator[FileServer]:
    """Serve the API; `objects`, `limits` and `files` are settings."""
    settings = make_settings(
        owner_url,
        redis_url,
        objects=objects or {"folder": folder, "durable": False},
        api={"limits": limits or {}},
        auth={"sign_ups_per_hour": 1_000},
        files={"max_bytes": 20_000_000, **files},
    )
    app = create_app(settings.api, open_backend(settings))
    async with listening(app, settings.api) as url, httpx2.AsyncClient(trust_env=False, timeout=30) as stranger:
        yield FileServer(url, stranger, stranger, folder)
