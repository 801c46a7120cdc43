"""Objects in a bucket of an S3-compatible service, such as MinIO, Ceph or AWS.

The SDK is synchronous, so its calls run in threads of their own. Interrupted requests leave parts that nobody
can read; services remove them by a lifecycle rule, and MinIO does so without one.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import urlsplit

import structlog
import urllib3
from minio import Minio
from minio.commonconfig import ComposeSource
from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from pydantic import SecretStr

from nexent_gql.adapters.s3_signature import Credentials, presign_put
from nexent_gql.kernel.clock import utc_now
from nexent_gql.ports.object_store import BLOCK_BYTES, ContentHeaders, ObjectInfo, ObjectStore, SignedRequest, check_key
from nexent_gql.ports.object_store_errors import (
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectStoreUnavailableError,
    WrongObjectSizeError,
)

T = TypeVar("T")
_CONNECT_S = 5.0
_SOURCE_S = 120.0
_LIST_BATCH = 500
_ABSENT = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the bucket is.

    Attributes:
        endpoint: Address of the service for this server, such as `https://minio:9000`.
        public_endpoint: Its address for clients, if that is another one.
        is_path_style: Whether the bucket stands in the path of addresses instead of their host.
        ca_file: Certificates of the authorities that are trusted instead of the system's.
        threads: Concurrent calls.
        timeout_s: Time that the service has for each part of an answer.
    """

    endpoint: str
    bucket: str
    region: str
    access_key: str
    secret_key: SecretStr
    public_endpoint: str | None = None
    is_path_style: bool = True
    ca_file: Path | None = None
    threads: int = 16
    timeout_s: float = field(default=30.0)


class S3ObjectStore(ObjectStore):
    """Stores objects in one bucket, which `check` creates if it does not exist."""

    def __init__(self, options: S3Options) -> None:
        self._bucket = options.bucket
        self._region = options.region
        self._credentials = Credentials(options.access_key, options.secret_key)
        self._pool = urllib3.PoolManager(
            maxsize=options.threads,
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=options.timeout_s),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504)),
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(options.ca_file) if options.ca_file else None,
        )
        self._client = self._connect(options, options.endpoint)
        self._public = self._connect(options, options.public_endpoint or options.endpoint)
        self._threads = ThreadPoolExecutor(options.threads, thread_name_prefix="objects")

    def close(self) -> None:
        """Release threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()

    async def put(self, key: str, content: AsyncIterable[bytes], size_bytes: int) -> ObjectInfo:
        check_key(key)
        source = _Source(_exactly(content, size_bytes), asyncio.get_running_loop())

        def send() -> None:
            self._client.put_object(self._bucket, key, cast("BinaryIO", source), size_bytes, num_parallel_uploads=1)

        try:
            await self._run(send)
        finally:
            source.close()
        info = await self.stat(key)
        if info is None:
            raise ObjectNotFoundError
        return info

    async def stat(self, key: str) -> ObjectInfo | None:
        check_key(key)
        try:
            return await self._run(lambda: _info(self._client.stat_object(self._bucket, key)))
        except ObjectNotFoundError:
            return None

    async def read(
        self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None
    ) -> AsyncGenerator[bytes]:
        check_key(key)
        if end is not None and end <= start:
            return
        headers: dict[str, str | list[str] | tuple[str]] = {} if etag is None else {"If-Match": f'"{etag}"'}
        response = await self._run(
            lambda: self._client.get_object(
                self._bucket, key, offset=start, length=0 if end is None else end - start, request_headers=headers
            )
        )
        try:
            while block := await self._run(lambda: response.read(BLOCK_BYTES)):
                yield block
        finally:
            response.close()
            response.release_conn()

    async def compose(self, key: str, sources: Sequence[ObjectInfo]) -> ObjectInfo:
        check_key(key)
        parts = [ComposeSource(self._bucket, check_key(each.key), match_etag=each.etag) for each in sources]
        await self._run(lambda: self._client.compose_object(self._bucket, key, parts))
        info = await self.stat(key)
        if info is None:
            raise ObjectNotFoundError
        return info

    async def delete(self, keys: Sequence[str]) -> None:
        def remove() -> None:
            objects = [DeleteObject(check_key(key)) for key in keys]
            for error in self._client.remove_objects(self._bucket, objects):
                if error.code not in _ABSENT:
                    raise MinioException(f"{error.code}: {error.message}")

        if keys:
            await self._run(remove)

    async def list(self, prefix: str = "") -> AsyncGenerator[ObjectInfo]:
        objects = iter(self._client.list_objects(self._bucket, prefix=prefix or None, recursive=True))
        while batch := await self._run(lambda: [*itertools.islice(objects, _LIST_BATCH)]):
            for each in batch:
                yield _info(each)

    async def sign_put(self, key: str, size_bytes: int, ttl_s: int) -> SignedRequest | None:
        url = self._public.get_presigned_url("PUT", self._bucket, check_key(key))
        signed = presign_put(url, self._credentials, self._region, utc_now(), ttl_s, size_bytes)
        return SignedRequest(signed, {"Content-Length": str(size_bytes)})

    async def sign_get(self, key: str, ttl_s: int, headers: ContentHeaders) -> SignedRequest | None:
        answer: dict[str, str | Any] = {
            "response-content-type": headers.content_type,
            "response-content-disposition": headers.content_disposition,
        }
        url = self._public.get_presigned_url(
            "GET", self._bucket, check_key(key), timedelta(seconds=ttl_s), response_headers=answer
        )
        return SignedRequest(url)

    async def check(self) -> None:
        def ensure_bucket() -> None:
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket, self._region)

        await self._run(ensure_bucket)

    def _connect(self, options: S3Options, address: str) -> Minio:
        parts = urlsplit(address)
        client = Minio(
            parts.netloc,
            options.access_key,
            options.secret_key.get_secret_value(),
            secure=parts.scheme == "https",
            region=options.region,
            http_client=self._pool,
        )
        if options.is_path_style:
            client.disable_virtual_style_endpoint()
        else:
            client.enable_virtual_style_endpoint()
        return client

    async def _run(self, work: Callable[[], T]) -> T:
        with _translate_errors():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class _Source:
    """What the SDK reads from in its thread: blocks that come from a coroutine of the event loop."""

    def __init__(self, content: AsyncGenerator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._content = content
        self._loop = loop
        self._pending = b""
        self._is_closed = False

    def close(self) -> None:
        """Let the thread's next call fail."""
        self._is_closed = True

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; nothing at the end."""
        if not self._pending:
            if self._is_closed:
                raise OSError("the upload was given up")
            following = cast("Coroutine[Any, Any, bytes]", anext(self._content, b""))
            self._pending = asyncio.run_coroutine_threadsafe(following, self._loop).result(_SOURCE_S)
        block, self._pending = self._pending[:size], self._pending[size:]
        return block


async def _exactly(content: AsyncIterable[bytes], size_bytes: int) -> AsyncGenerator[bytes]:
    """Yield blocks, the last one only when it is known that the content has the right size.

    Raises:
        WrongObjectSizeError: It does not.
    """
    received, pending = 0, b""
    async for chunk in content:
        received += len(chunk)
        if received > size_bytes:
            raise WrongObjectSizeError(size_bytes)
        if pending and chunk:
            yield pending
        pending = chunk or pending
    if received != size_bytes:
        raise WrongObjectSizeError(size_bytes)
    if pending:
        yield pending


@contextmanager
def _translate_errors() -> Generator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in _ABSENT:
            raise ObjectNotFoundError from None
        if error.code == "PreconditionFailed":
            raise ObjectChangedError from None
        _log.warning("objects.s3_failed", code=error.code)
        raise _unavailable() from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        _log.warning("objects.s3_failed", error=type(error).__name__)
        raise _unavailable() from error


def _unavailable() -> ObjectStoreUnavailableError:
    return ObjectStoreUnavailableError("The object storage can't be used. Try again later.")


def _info(item: Object) -> ObjectInfo:
    if item.object_name is None or item.size is None or item.etag is None or item.last_modified is None:
        raise MinioException("the service describes an object incompletely")
    return ObjectInfo(item.object_name, item.size, item.etag, item.last_modified)
