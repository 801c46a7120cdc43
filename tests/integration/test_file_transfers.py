"""Files through an S3 service, and clients that are slow or go away."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.file_server import FileServer, digest, file_server
from tests.support.minio import ACCESS_KEY, SECRET_KEY, running_minio
from tests.support.waiting import eventually

PART = 5 * 1024 * 1024


@pytest.mark.slow
async def test_files_go_to_a_service_and_come_from_there(owner_url: str, redis_url: str, tmp_path: Path) -> None:
    with running_minio(tmp_path) as minio:
        objects = {
            "endpoint": minio.endpoint,
            "bucket": "files",
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY.get_secret_value(),
        }
        async with file_server(owner_url, redis_url, tmp_path, objects=objects, part_bytes=PART) as running:
            server = await running.as_new_user()
            await check_transfers(server, minio.endpoint)
            await server.http.aclose()


async def check_transfers(server: FileServer, endpoint: str) -> None:
    content = bytes(range(256)) * (PART // 256) + b"the end"
    upload = await server.create(content, "größe.bin", sha256=digest(content))
    urls = [part["url"] for part in upload["parts"]]
    assert [url.startswith(endpoint) for url in urls] == [True, True]
    assert (await server.stranger.put(urls[1], content=b"too long to fit")).status_code == 403
    assert (await server.complete(upload))["code"] == "UPLOAD_INCOMPLETE"
    assert await server.send(upload, content) == [200, 200]
    file = await server.complete(upload)
    assert (file["sizeBytes"], file["sha256"]) == (len(content), digest(content))
    assert await server.send(upload, content) == [200, 200]  # the addresses are still valid, and change nothing
    part = await server.stranger.get(file["url"], headers={"Range": f"bytes={PART}-"})
    assert (part.status_code, part.content) == (206, b"the end")
    assert part.headers["content-disposition"] == "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.bin"
    wrong = await server.create(b"12345", sha256=digest(b"12345"))
    assert await server.send(wrong, b"54321") == [200]
    assert (await server.complete(wrong))["code"] == "FILE_HASH_MISMATCH"
    assert (await server.complete(wrong))["code"] == "UPLOAD_INCOMPLETE"
    unsigned = str(file["url"]).partition("?")[0]
    assert (await server.stranger.get(unsigned)).status_code == 403


async def trickle(content: bytes, pause_s: float) -> AsyncGenerator[bytes]:
    for at in range(len(content)):
        yield content[at : at + 1]
        await asyncio.sleep(pause_s)


async def begin(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send three of five bytes."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"PUT {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 5\r\n\r\n"
    writer.write(head.encode() + b"123")
    await writer.drain()
    return reader, writer


async def test_a_client_that_stops_sending_is_refused_and_nothing_is_kept(
    owner_url: str, redis_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "objects"
    async with file_server(owner_url, redis_url, folder, limits={"file_idle_s": 0.5}) as running:
        server = await running.as_new_user()
        upload = await server.create(b"12345")
        url = upload["parts"][0]["url"]
        reader, writer = await begin(url)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert server.stored() == []
        _, writer = await begin(url)
        writer.close()
        await eventually(lambda: server.stored() == [], within_s=10)
        assert await server.send(upload, b"12345") == [204]
        assert (await server.complete(upload))["sizeBytes"] == 5
        await server.http.aclose()


@pytest.mark.slow
async def test_a_slow_upload_may_take_longer_than_any_other_body(
    owner_url: str, redis_url: str, tmp_path: Path
) -> None:
    limits = {"body_s": 0.1, "upload_s": 0.1}  # the connection of another request would end 10 s later
    async with file_server(owner_url, redis_url, tmp_path / "objects", limits=limits) as running:
        server = await running.as_new_user()
        upload = await server.create(b"x" * 24)
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            response = await http.put(upload["parts"][0]["url"], content=trickle(b"x" * 24, 0.5))
        assert response.status_code == 204
        await server.http.aclose()
