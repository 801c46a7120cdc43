"""The caller's side: sends a file to a child process and understands its answer."""

import asyncio
import signal
from dataclasses import dataclass, field
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
    ExtractionLimits,
    ExtractionTimeoutError,
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

EXTRACTOR_VERSION = "xberg-2"
"""Change it with every change after which the same file gives another text."""
_TASK = Task("nexent_gql.adapters.extraction_xberg.task", "extract")
_DOCUMENT = TypeAdapter(ExtractedDocument)
_ERRORS = {error.code: error for error in ExtractionError.__subclasses__()}
_LIMIT_NOUNS = {Limit.MEMORY: "memory", Limit.CPU_TIME: "time", Limit.OUTPUT: "space"}
_FAULT_STATUSES = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE}


@dataclass(frozen=True, slots=True)
class ProcessExtractor:
    """Implements the `Extractor` port.

    Attributes:
        pool: Where files are read.
        limits: For one file.
        version: Of the extraction.
    """

    pool: ProcessPool
    limits: ExtractionLimits = field(default_factory=ExtractionLimits)
    version: str = EXTRACTOR_VERSION

    async def extract(self, path: Path, *, name: str, owner: Owner, media_type: str | None = None) -> ExtractedDocument:
        size, most = (await asyncio.to_thread(path.stat)).st_size, self.limits.file_bytes
        if size > most:
            raise TooLargeError(f"The file is larger than {most // 1024 // 1024} MB. Split it.", max_bytes=most)
        payload = dumps({"path": str(path), "name": name, "media_type": media_type})
        return await asyncio.to_thread(_understand, await self._run(payload, owner))

    async def _run(self, payload: bytes, owner: Owner) -> bytes:
        limits = ProcessLimits(**self.limits.model_dump(exclude={"file_bytes"}))
        try:
            return await self.pool.run(_TASK, payload, owner=owner, limits=limits)
        except LimitExceededError as error:
            raise _explain_limit(error) from error
        except ProcessCrashedError as error:
            raise _explain_crash(error) from error
        except TaskFailedError as error:
            raise _explain_failure(error) from error


def _explain_limit(error: LimitExceededError) -> DomainError:
    if error.limit is Limit.WALL_TIME:
        return ExtractionTimeoutError(
            f"Reading the file took longer than {error.value:g} s. Try again, or split it into smaller files.",
            limit=error.limit,
        )
    return ExtractionLimitError(
        f"Reading the file needs more {_LIMIT_NOUNS[error.limit]} than is allowed. Split it into smaller files.",
        limit=error.limit,
    )


def _explain_failure(error: TaskFailedError) -> DomainError:
    if error.kind == RecursionError.__name__:
        return ExtractionLimitError("Parts of the file are nested too deeply. Save it again with less nesting.")
    return CorruptError("The file can't be read. Save it again in another format.", kind=error.kind)


def _explain_crash(error: ProcessCrashedError) -> DomainError:
    """Tell the file's fault from that of somebody who killed the process."""
    status = error.details.get("status")
    if status == -signal.SIGABRT:  # how a library ends that gets no more memory
        return ExtractionLimitError("Reading the file needs more memory than is allowed. Split it.")
    if status in _FAULT_STATUSES:
        return CorruptError("The file makes its reader fail. Save it again in another format.")
    return error


def _understand(answer: bytes) -> ExtractedDocument:
    content = loads_object(answer)
    if "error" not in content:
        return _DOCUMENT.validate_python(content)
    error = cast("JsonObject", content["error"])
    kind = _ERRORS[DocumentProblemCode(str(error["code"]))]
    raise kind(str(error["message"]), **cast("dict[str, Detail]", error["details"]))
