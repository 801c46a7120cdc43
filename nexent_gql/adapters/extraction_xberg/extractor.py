"""The caller's side: sends a file to a child process and understands its answer."""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter

from nexent_gql.kernel.errors import Detail, DomainError
from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.ports.extraction import (
    CorruptError,
    DocumentProblemCode,
    ExtractedDocument,
    ExtractionError,
    ExtractionLimitError,
    TooLargeError,
)
from nexent_gql.ports.processes import (
    Limit,
    LimitExceededError,
    ProcessCrashedError,
    ProcessLimits,
    ProcessPool,
    Task,
    TaskFailedError,
)

EXTRACTOR_VERSION = "xberg-1"
"""Change it with every change after which the same file gives another text."""
MAX_FILE_BYTES = 200 * 1024 * 1024
_TASK = Task("nexent_gql.adapters.extraction_xberg.task", "extract")
_LIMITS = ProcessLimits(memory_bytes=768 * 1024 * 1024, cpu_s=20, wall_s=60, output_bytes=48 * 1024 * 1024)
_DOCUMENT = TypeAdapter(ExtractedDocument)
_ERRORS = {error.code: error for error in ExtractionError.__subclasses__()}
_LIMIT_NOUNS = {Limit.MEMORY: "memory", Limit.CPU_TIME: "time", Limit.WALL_TIME: "time", Limit.OUTPUT: "space"}

_FAULT_STATUSES = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE}


@dataclass(frozen=True, slots=True)
class ProcessExtractor:
    """Implements the `Extractor` port.

    Attributes:
        pool: Where files are read.
        limits: For one file.
        max_file_bytes: Larger files are refused unread.
        version: Of the extraction.
    """

    pool: ProcessPool
    limits: ProcessLimits = _LIMITS
    max_file_bytes: int = MAX_FILE_BYTES
    version: str = EXTRACTOR_VERSION

    async def extract(self, path: Path, *, name: str, owner: Owner, media_type: str | None = None) -> ExtractedDocument:
        size = (await asyncio.to_thread(path.stat)).st_size
        if size > self.max_file_bytes:
            limit = f"{self.max_file_bytes // 1024 // 1024} MB"
            raise TooLargeError(f"The file is larger than {limit}. Split it.", max_bytes=self.max_file_bytes)
        payload = dumps({"path": str(path), "name": name, "media_type": media_type})
        return await asyncio.to_thread(_understand, await self._run(payload, owner))

    async def _run(self, payload: bytes, owner: Owner) -> bytes:
        try:
            return await self.pool.run(_TASK, payload, owner=owner, limits=self.limits)
        except LimitExceededError as error:
            noun = _LIMIT_NOUNS[error.limit]
            raise ExtractionLimitError(
                f"Reading the file needs more {noun} than is allowed. Split it into smaller files.",
                limit=error.limit,
            ) from error
        except ProcessCrashedError as error:
            raise _explain_crash(error) from error
        except TaskFailedError as error:
            raise CorruptError("The file can't be read. Save it anew in another format.", kind=error.kind) from error


def _explain_crash(error: ProcessCrashedError) -> DomainError:
    """Tell the file's fault from that of somebody who killed the process."""
    status = error.details.get("status")
    if status == -signal.SIGABRT:  # how a library ends that gets no more memory
        return ExtractionLimitError("Reading the file needs more memory than is allowed. Split it.")
    if status in _FAULT_STATUSES:
        return CorruptError("The file makes its reader fail. Save it anew in another format.")
    return error


def _understand(answer: bytes) -> ExtractedDocument:
    content = loads_object(answer)
    if "error" not in content:
        return _DOCUMENT.validate_python(content)
    error = cast("JsonObject", content["error"])
    kind = _ERRORS[DocumentProblemCode(str(error["code"]))]
    raise kind(str(error["message"]), **cast("dict[str, Detail]", error["details"]))
