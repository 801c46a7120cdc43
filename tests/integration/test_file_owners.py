"""A colleague of the same tenant reads and changes no files, by any method of their services."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.files.jobs import part_key
from nexent_gql.domains.files.policy import UploadDraft
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.files.tables import File, FileUpload
from nexent_gql.domains.files.uploads import UploadService
from nexent_gql.kernel.errors import NotFoundError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal
from tests.support.clock import MovableClock
from tests.support.factory import Factory
from tests.support.file_services import Files, file_services

OF_THE_TENANT = {"usage"}
MAKES_ITS_OWN = {"create", "store"}
TAKES_A_ROW = {"sign_download"}


@dataclass(frozen=True)
class Private:
    """What Ada has, and her colleague has not."""

    services: Files
    owner: Principal
    colleague: Principal
    file: File
    upload: FileUpload

    async def call(self, cls: type, name: str, actor: Principal) -> object:
        service = self.services.files if cls is FileService else self.services.uploads
        values: dict[str, object] = {
            "file_id": self.file.id,
            "upload_id": self.upload.id,
            "object_ids": [self.file.object_id],
            "ids": [self.file.id, self.upload.id],
            "name": "changed.txt",
            "page": PageRequest(),
        }
        method = getattr(service, name)
        parameters = inspect.signature(method).parameters.values()
        required = [
            each.name for each in parameters if each.default is inspect.Parameter.empty and each.name != "actor"
        ]
        result = method(actor, **{each: values[each] for each in required})
        if inspect.isasyncgen(result):
            return [block async for block in cast("AsyncGenerator[bytes]", result)]
        return await cast("Awaitable[object]", result)


def methods() -> Iterator[tuple[type, str]]:
    for cls in (FileService, UploadService):
        for name, method in inspect.getmembers(cls, inspect.isfunction):
            parameters = inspect.signature(method).parameters
            is_public = not name.startswith("_") and "actor" in parameters and "session" not in parameters
            if is_public and name not in OF_THE_TENANT | MAKES_ITS_OWN | TAKES_A_ROW:
                yield cls, name


@pytest.fixture
async def private(database: Database, clock: MovableClock, tmp_path: Path, make: Factory) -> AsyncGenerator[Private]:
    with file_services(database, clock, tmp_path / "objects") as services:
        owner = await make.principal()
        colleague = await make.principal(owner.role, beside=owner)
        file = await services.upload(owner, b"private")
        upload = await services.uploads.create(owner, UploadDraft("b.txt", 7))
        await services.put(part_key(owner.tenant_id, upload.id, 1))
        yield Private(services, owner, colleague, file, upload)


def is_empty(result: object) -> bool:
    return not getattr(result, "rows", result)


def test_all_methods_are_tried() -> None:
    assert len([*methods()]) >= 10


@pytest.mark.parametrize(("cls", "name"), [*methods()], ids=lambda value: getattr(value, "__name__", value))
async def test_a_colleague_gets_nothing_and_the_owner_does(private: Private, cls: type, name: str) -> None:
    with suppress(NotFoundError):
        assert is_empty(await private.call(cls, name, private.colleague))
    result = await private.call(cls, name, private.owner)
    assert name in {"delete", "cancel"} or not is_empty(result)
