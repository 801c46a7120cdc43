"""Objects as files of a local folder.

An object is written to `.tmp/` and renamed, so that readers see all of it or nothing. Several processes may use one
folder.
"""

import asyncio
import errno
import os
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar
from uuid import uuid4

import structlog

from nexent_gql.ports.object_store import BLOCK_BYTES, ContentHeaders, ObjectInfo, ObjectStore, SignedRequest, check_key
from nexent_gql.ports.object_store_errors import (
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectStoreUnavailableError,
    WrongObjectSizeError,
)

T = TypeVar("T")
_THREADS = 16
_TEMPORARY = ".tmp"
_STALE_S = 86_400.0
_NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EACCES})
_log = structlog.get_logger()


class FolderObjectStore(ObjectStore):
    """Stores objects in a folder, which is created when it is first needed.

    Args:
        root: The folder.
        durable: Whether an object is on the disk, not only in the system's cache, when `put` returns.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root = root
        self._durable = durable
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")

    def close(self) -> None:
        """Release the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def put(self, key: str, content: AsyncIterable[bytes], size_bytes: int) -> ObjectInfo:
        target = self._path(key)
        file = await self._run(self._create)
        try:
            await self._write(file, content, size_bytes)
            return await self._run(lambda: self._publish(file, key, target))
        finally:
            await asyncio.shield(self._run(lambda: _discard(file)))

    async def stat(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        return await self._run(lambda: _stat(key, path))

    async def read(
        self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None
    ) -> AsyncGenerator[bytes]:
        path = self._path(key)
        file, info = await self._run(lambda: _open(key, path))
        try:
            if etag is not None and info.etag != etag:
                raise ObjectChangedError
            remaining_bytes = (info.size_bytes if end is None else min(end, info.size_bytes)) - start
            await self._run(lambda: file.seek(start))
            while remaining_bytes > 0:
                size = min(BLOCK_BYTES, remaining_bytes)
                block = await self._run(lambda size=size: file.read(size))
                if not block:
                    return
                remaining_bytes -= len(block)
                yield block
        finally:
            file.close()

    async def compose(self, key: str, sources: Sequence[ObjectInfo]) -> ObjectInfo:
        target = self._path(key)
        paths = [self._path(source.key) for source in sources]
        return await self._run(lambda: self._compose(key, target, sources, paths))

    async def delete(self, keys: Sequence[str]) -> None:
        paths = [self._path(key) for key in keys]

        def remove() -> None:
            for path in paths:
                path.unlink(missing_ok=True)

        await self._run(remove)

    async def list(self, prefix: str = "") -> AsyncGenerator[ObjectInfo]:
        names = _names(self._root, prefix)
        while batch := await self._run(lambda: _take(names, 500)):
            for key in batch:
                info = await self.stat(key)
                if info is not None:
                    yield info

    async def sign_put(self, key: str, size_bytes: int, ttl_s: int) -> SignedRequest | None:
        del key, size_bytes, ttl_s

    async def sign_get(self, key: str, ttl_s: int, headers: ContentHeaders) -> SignedRequest | None:
        del key, ttl_s, headers

    async def check(self) -> None:
        def look() -> None:
            folder = self._root
            while not folder.exists():
                folder = folder.parent
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

        await self._run(look)

    async def remove_stale(self) -> None:
        """Delete what interrupted writes have left behind more than a day ago."""

        def remove() -> None:
            before = time.time() - _STALE_S
            for path in (self._root / _TEMPORARY).glob("*"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before:
                        path.unlink()

        await self._run(remove)

    async def _write(self, file: BinaryIO, content: AsyncIterable[bytes], size_bytes: int) -> None:
        received, pending = 0, bytearray()
        async for chunk in content:
            received += len(chunk)
            if received > size_bytes:
                raise WrongObjectSizeError(size_bytes)
            pending += chunk
            if len(pending) >= BLOCK_BYTES:
                block, pending = pending, bytearray()
                await self._run(lambda block=block: file.write(block))
        if received != size_bytes:
            raise WrongObjectSizeError(size_bytes)
        await self._run(lambda: file.write(pending))

    def _create(self) -> BinaryIO:
        folder = self._root / _TEMPORARY
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return (folder / uuid4().hex).open("xb")

    def _publish(self, file: BinaryIO, key: str, target: Path) -> ObjectInfo:
        file.flush()
        if self._durable:
            os.fsync(file.fileno())
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(file.name).replace(target)
        self._sync_folder(target.parent)
        return _info(key, os.fstat(file.fileno()))

    def _compose(self, key: str, target: Path, sources: Sequence[ObjectInfo], paths: Sequence[Path]) -> ObjectInfo:
        file = self._create()
        temporary = Path(file.name)
        try:
            if len(sources) == 1 and _link(paths[0], temporary):
                file.close()
                file = temporary.open("rb")
                if _info(sources[0].key, os.fstat(file.fileno())).etag != sources[0].etag:
                    raise ObjectChangedError
            else:
                _concatenate(file, sources, paths)
            return self._publish(file, key, target)
        finally:
            _discard(file)

    def _sync_folder(self, folder: Path) -> None:
        if not self._durable:
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    async def _run(self, work: Callable[[], T]) -> T:
        with _translate_errors():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)


@contextmanager
def _translate_errors() -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectNotFoundError from None
    except OSError as error:
        _log.exception("objects.folder_failed")
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "The object storage is full." if is_full else "The object storage can't be used."
        raise ObjectStoreUnavailableError(f"{what} Try again later.") from error


def _stat(key: str, path: Path) -> ObjectInfo | None:
    try:
        return _info(key, path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return ObjectInfo(key, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))


def _open(key: str, path: Path) -> tuple[BinaryIO, ObjectInfo]:
    file = path.open("rb")
    return file, _info(key, os.fstat(file.fileno()))


def _link(source: Path, temporary: Path) -> bool:
    """Give a file a second name; False where the file system can't."""
    second = temporary.with_suffix(".link")
    try:
        os.link(source, second)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    second.replace(temporary)
    return True


def _concatenate(file: BinaryIO, sources: Sequence[ObjectInfo], paths: Sequence[Path]) -> None:
    for source, path in zip(sources, paths, strict=True):
        with path.open("rb") as part:
            if _info(source.key, os.fstat(part.fileno())).etag != source.etag:
                raise ObjectChangedError
            shutil.copyfileobj(part, file, BLOCK_BYTES)


def _discard(file: BinaryIO) -> None:
    """Close a temporary file, and delete it unless it was renamed."""
    file.close()
    Path(file.name).unlink(missing_ok=True)


def _names(root: Path, prefix: str) -> Generator[str]:
    """Yield the keys below a folder in the order of their text, in which `/` counts as a character."""

    def walk(folder: Path, above: str) -> Generator[str]:
        try:
            entries = [(f"{entry.name}/" if entry.is_dir() else entry.name) for entry in os.scandir(folder)]
        except FileNotFoundError:
            return
        for name in sorted(entries):
            key = f"{above}{name}"
            if name.startswith(".") or not (key.startswith(prefix) or prefix.startswith(key)):
                continue
            if name.endswith("/"):
                yield from walk(folder / name, key)
            elif key.startswith(prefix):
                yield key

    yield from walk(root, "")


def _take(names: Generator[str], most: int) -> list[str]:
    return [*islice(names, most)]
