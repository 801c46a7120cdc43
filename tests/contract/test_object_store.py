"""Object stores: a local folder always, and a bucket of a real MinIO where `make engines` has built it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Generator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr

from nexent_gql.adapters.object_store_folder import FolderObjectStore
from nexent_gql.adapters.object_store_s3 import S3ObjectStore
from nexent_gql.ports.object_store import BLOCK_BYTES, ContentHeaders, ObjectStore
from nexent_gql.ports.object_store_errors import (
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectStoreUnavailableError,
    WrongObjectSizeError,
)
from tests.support.minio import MinioUnderTest, running_minio

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Generator[MinioUnderTest]:
    with running_minio(tmp_path_factory.mktemp("minio")) as running:
        yield running


@pytest.fixture
async def bucket(minio: MinioUnderTest) -> AsyncGenerator[S3ObjectStore]:
    store = S3ObjectStore(minio.options(f"test-{uuid4().hex}"))
    await store.check()
    yield store
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Generator[FolderObjectStore]:
    store = FolderObjectStore(tmp_path / "objects", durable=False)
    yield store
    store.close()


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return request.getfixturevalue(request.param)


async def chunks(*parts: bytes) -> AsyncGenerator[bytes]:
    for part in parts:
        yield part


async def failing(*parts: bytes) -> AsyncGenerator[bytes]:
    for part in parts:
        yield part
    raise ConnectionResetError("the client is gone")


async def put(store: ObjectStore, key: str, content: bytes) -> None:
    await store.put(key, chunks(content), len(content))


async def read(store: ObjectStore, key: str, start: int = 0, end: int | None = None, etag: str | None = None) -> bytes:
    return b"".join([block async for block in store.read(key, start=start, end=end, etag=etag)])


async def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.key async for info in store.list(prefix)]


async def test_reads_what_was_put(store: ObjectStore) -> None:
    info = await store.put("a/b", chunks(b"hello ", b"", b"world"), 11)
    assert (info.key, info.size_bytes) == ("a/b", 11)
    assert await read(store, "a/b") == b"hello world"
    assert await store.stat("a/b") == info


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 5, b"01234"), (3, None, b"3456789"), (3, 3, b""), (9, 10, b"9"), (5, 100, b"56789")],
)
async def test_reads_ranges(store: ObjectStore, start: int, end: int | None, expected: bytes) -> None:
    await put(store, "a", b"0123456789")
    assert await read(store, "a", start, end) == expected


async def test_an_object_of_several_blocks_arrives_in_blocks(store: ObjectStore) -> None:
    content = bytes(range(256)) * (3 * BLOCK_BYTES // 256) + b"end"
    await put(store, "a", content)
    blocks = [block async for block in store.read("a")]
    assert b"".join(blocks) == content
    assert max(map(len, blocks)) <= BLOCK_BYTES


async def test_a_reader_may_stop_early(store: ObjectStore) -> None:
    await put(store, "a", bytes(3 * BLOCK_BYTES))
    async with aclosing(store.read("a")) as blocks:
        async for _ in blocks:
            break
    assert len(await read(store, "a")) == 3 * BLOCK_BYTES


async def test_an_object_is_replaced_as_a_whole(store: ObjectStore) -> None:
    await put(store, "a", b"first")
    first = await store.stat("a")
    await put(store, "a", b"second")
    assert first is not None
    assert await read(store, "a") == b"second"
    with pytest.raises(ObjectChangedError):
        await read(store, "a", etag=first.etag)


async def test_what_does_not_exist_is_told(store: ObjectStore) -> None:
    assert await store.stat("a/b") is None
    with pytest.raises(ObjectNotFoundError):
        await read(store, "a/b")
    await store.delete(["a/b", "c"])
    assert await keys(store) == []


@pytest.mark.parametrize(
    "content", [chunks(b"1234"), chunks(b"12345", b"6"), chunks(b"1234567"), chunks(), failing(b"12345")]
)
async def test_an_incomplete_object_is_never_visible(store: ObjectStore, content: AsyncIterable[bytes]) -> None:
    with pytest.raises((WrongObjectSizeError, ConnectionResetError, ObjectStoreUnavailableError)):
        await store.put("a", content, 5)
    assert await store.stat("a") is None
    assert await keys(store) == []


async def test_a_cancelled_upload_leaves_nothing(store: ObjectStore) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes]:
        yield b"12345"
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(store.put("a", endless(), 10))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.stat("a") is None
    assert await keys(store) == []


async def test_lists_by_prefix_in_the_order_of_keys(store: ObjectStore) -> None:
    for key in ("b/1", "a/2", "a-b/1", "a/10", "a/1.2", "ab", "a/1"):
        await put(store, key, b"x")
    assert await keys(store) == ["a-b/1", "a/1", "a/1.2", "a/10", "a/2", "ab", "b/1"]
    assert await keys(store, "a/1") == ["a/1", "a/1.2", "a/10"]
    assert await keys(store, "a/") == ["a/1", "a/1.2", "a/10", "a/2"]
    assert await keys(store, "c") == []


async def test_lists_many(store: ObjectStore) -> None:
    names = [f"many/{number:04}" for number in range(1_050)]
    for start in range(0, len(names), 50):
        await asyncio.gather(*(put(store, name, b"x") for name in names[start : start + 50]))
    assert await keys(store, "many/") == names
    await store.delete(names)
    assert await keys(store) == []


async def test_composes_one_or_more(store: ObjectStore) -> None:
    first, second = bytes(5 * MIB), b"tail"
    one, two = await store.put("p/1", chunks(first), len(first)), await store.put("p/2", chunks(second), len(second))
    await store.compose("single", [two])
    await store.compose("joined", [one, two])
    await store.delete(["p/1", "p/2"])
    assert await read(store, "single") == second
    assert await read(store, "joined") == first + second
    assert await keys(store) == ["joined", "single"]


async def test_a_source_that_was_replaced_is_not_composed(store: ObjectStore) -> None:
    info = await store.put("p/1", chunks(b"verified"), 8)
    await put(store, "p/1", b"replaced")
    with pytest.raises(ObjectChangedError):
        await store.compose("a", [info])
    await store.delete(["p/1"])
    with pytest.raises(ObjectNotFoundError):
        await store.compose("a", [info])
    assert await keys(store) == []


async def test_a_composed_object_does_not_change_with_its_source(store: ObjectStore) -> None:
    info = await store.put("p/1", chunks(b"verified"), 8)
    await store.compose("a", [info])
    await put(store, "p/1", b"replaced")
    assert await read(store, "a") == b"verified"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "../x",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        ".hidden",
        "a/.tmp",
        "A",
        "a\0b",
        "a b",
        "ä",
        "a" * 300,
        "a\\b",
        "a\n",
    ],
)
async def test_a_hostile_key_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="not the key"):
        await put(store, key, b"x")
    with pytest.raises(ValueError, match="not the key"):
        await read(store, key)
    with pytest.raises(ValueError, match="not the key"):
        await store.delete([key])


async def test_a_folder_leaves_no_temporary_files(folder: FolderObjectStore, tmp_path: Path) -> None:
    with pytest.raises(WrongObjectSizeError):
        await folder.put("a", chunks(b"1"), 2)
    info = await folder.put("b", chunks(b"12"), 2)
    await folder.compose("c", [info])
    assert [path.name for path in (tmp_path / "objects" / ".tmp").iterdir()] == []


async def test_a_folder_that_can_not_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = FolderObjectStore(tmp_path / "file" / "objects")
    with pytest.raises(ObjectStoreUnavailableError):
        await put(store, "a", b"x")
    store.close()


async def test_a_folder_has_no_addresses(folder: FolderObjectStore) -> None:
    assert await folder.sign_put("a", 1, 60) is None
    assert await folder.sign_get("a", 60, ContentHeaders("text/plain", "attachment")) is None


async def test_signed_requests_store_and_read(bucket: S3ObjectStore) -> None:
    signed = await bucket.sign_put("a/b", 5, 60)
    answer = ContentHeaders("text/plain", "attachment; filename*=UTF-8''a%20b.txt")
    download = await bucket.sign_get("a/b", 60, answer)
    assert signed is not None
    assert download is not None
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        refused = [
            await http.put(signed.url, content=b"123456"),
            await http.put(signed.url.replace("a/b", "a/c"), content=b"12345"),
            await http.put(signed.url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"), content=b"12345"),
            await http.get(signed.url),
        ]
        assert [response.status_code for response in refused] == [403] * 4
        assert await keys(bucket) == []
        assert (await http.put(signed.url, content=b"12345")).status_code == 200
        read_back = await http.get(download.url, headers={"Range": "bytes=1-2"})
    assert (read_back.status_code, read_back.content) == (206, b"23")
    assert read_back.headers["content-disposition"] == answer.content_disposition
    assert read_back.headers["content-type"] == "text/plain"


async def test_wrong_credentials_are_unavailable(minio: MinioUnderTest) -> None:
    store = S3ObjectStore(replace(minio.options("test"), secret_key=SecretStr("wrong")))
    with pytest.raises(ObjectStoreUnavailableError):
        await store.check()
    store.close()


async def test_a_service_that_is_down_is_unavailable() -> None:
    store = S3ObjectStore(MinioUnderTest("http://127.0.0.1:9").options("test"))
    with pytest.raises(ObjectStoreUnavailableError):
        await put(store, "a", b"x")
    store.close()
