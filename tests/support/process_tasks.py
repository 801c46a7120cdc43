"""Tasks for child processes: some do as they should, most mean harm."""

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


def echo(payload: bytes) -> bytes:
    print("libraries print, too")  # noqa: T201 - it must not disturb the answer
    return payload


def pid(_payload: bytes) -> bytes:
    return str(os.getpid()).encode()


def environment(_payload: bytes) -> bytes:
    return repr(sorted(os.environ)).encode()


def fail(payload: bytes) -> bytes:
    raise ValueError(payload.decode())


def leave(_payload: bytes) -> bytes:
    sys.exit(3)


def crash(_payload: bytes) -> bytes:
    ctypes.string_at(1)
    return b""


def spin(_payload: bytes) -> bytes:
    while True:
        pass


def sleep(payload: bytes) -> bytes:
    time.sleep(float(payload))
    return b""


def grow(payload: bytes) -> bytes:
    return b"%d" % len(bytearray(int(payload)))


def say(payload: bytes) -> bytes:
    return bytes(int(payload))


def think_in_threads(_payload: bytes) -> bytes:
    done: list[int] = []
    threads = [threading.Thread(target=done.append, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return str(len(done)).encode()


def connect(_payload: bytes) -> bytes:
    socket.create_connection(("127.0.0.1", 1), timeout=1)
    return b""


def start_program(_payload: bytes) -> bytes:
    return subprocess.run(["/bin/echo", "free"], capture_output=True, check=True).stdout


def fork(_payload: bytes) -> bytes:
    return str(os.fork()).encode()


def kill_parent(_payload: bytes) -> bytes:
    os.kill(os.getppid(), 0)
    return b""


def write_file(payload: bytes) -> bytes:
    path = Path(payload.decode())
    path.write_bytes(bytes(200 * 1024 * 1024))
    return b""
