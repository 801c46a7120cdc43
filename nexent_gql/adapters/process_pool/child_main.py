"""The program of a child process of the pool: reads tasks from a pipe, and writes results to another one.

Run as a script: `python -I -S -B child_main.py`; standard library only, because it must start in milliseconds. The
first message is a JSON object with `path` (where to import from) and `parent` (the process id of the pool's process).
Each further one is a task: a JSON object with `module`, `function`, `memory_bytes`, `cpu_s` and `output_bytes`, and
then a message with its payload. Each answer is one letter and a body. A task is answered twice: when it starts, so that
the pool knows whether a child that died had begun it, and with its result. Every message begins with its length in 4
bytes.
"""

import importlib
import json
import math
import os
import resource
import sys
from collections.abc import Callable
from typing import BinaryIO, cast

_MAX_ERROR_CHARS = 2_000
_HEADER_BYTES = 4
READY, STARTED, RESULT, FAILED, NO_MEMORY, TOO_LARGE = b"R", b"S", b"=", b"!", b"M", b"L"


def main() -> None:
    """Run tasks until the pipe is closed."""
    requests, answers = _private_pipes()
    config = json.loads(_read(requests) or b"{}")
    sys.path[:] = config["path"]
    confinement = importlib.import_module("nexent_gql.adapters.process_pool.confinement")
    _answer(answers, READY, json.dumps(confinement.confine(config["parent"])).encode())
    while (header := _read(requests)) is not None and (payload := _read(requests)) is not None:
        _answer(answers, STARTED, b"")
        _answer(answers, *_perform(json.loads(header), payload))


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Duplicate the pipes, so that a library that reads from standard input or prints does not disturb them."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    return requests, answers


def _perform(task: dict[str, object], payload: bytes) -> tuple[bytes, bytes]:
    try:
        _limit(cast("int", task["memory_bytes"]), cast("float", task["cpu_s"]))
        function = getattr(importlib.import_module(cast("str", task["module"])), cast("str", task["function"]))
        result = cast("Callable[[bytes], bytes]", function)(payload)
    except MemoryError:
        return NO_MEMORY, b""
    except BaseException as error:  # noqa: BLE001 - whatever a task raises is its result
        return FAILED, json.dumps([type(error).__name__, str(error)[:_MAX_ERROR_CHARS]]).encode()
    return (RESULT, result) if len(result) <= cast("int", task["output_bytes"]) else (TOO_LARGE, b"")


def _limit(memory_bytes: int, cpu_s: float) -> None:
    """Set the limits of the next task: memory of the process, and processor time on top of the time used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_limit = math.ceil(used.ru_utime + used.ru_stime + cpu_s)
    for kind, value in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, cpu_limit)):
        _, hard = resource.getrlimit(kind)
        try:
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
        except (OSError, ValueError):
            continue  # macOS does not limit the address space; time and output are still limited


def _read(pipe: BinaryIO) -> bytes | None:
    header = pipe.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return None
    return pipe.read(int.from_bytes(header, "big"))


def _answer(pipe: BinaryIO, kind: bytes, body: bytes) -> None:
    pipe.write((len(body) + 1).to_bytes(_HEADER_BYTES, "big") + kind + body)
    pipe.flush()


if __name__ == "__main__":
    main()
