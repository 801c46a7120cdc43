"""Drops root's privileges and executes a program: `unprivileged.py PLAN COMMAND...`.

PLAN is a JSON object: `uid`, `gid`, `groups`, `visible` and `writable`. `visible` maps each folder that is closed to
that user to what the program needs below it. Such a folder is covered, for this process and its children only, by an
empty one that shows nothing else. What `writable` lists can also be written, where its permissions allow that. Standard
library only, because it runs as root and must start in milliseconds.
"""

import ctypes
import json
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

MAX_PROCESSES = 4_096
"""Processes and threads of the user, all installations together: a fork bomb has an end."""

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 32, 4096
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_PR_SET_NO_NEW_PRIVS = 38


def main(arguments: Sequence[str]) -> None:
    """Give up root's rights and run the command; this returns only by an error."""
    plan, command = json.loads(arguments[0]), arguments[1:]
    if plan["visible"]:
        _call("unshare", _CLONE_NEWNS)
        _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
        for folder, needed in plan["visible"].items():
            _cover(folder, needed, plan["writable"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    limit = MAX_PROCESSES if most == resource.RLIM_INFINITY else min(MAX_PROCESSES, most)
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
    os.setgroups(plan["groups"])
    os.setgid(plan["gid"])
    os.setuid(plan["uid"])
    if sys.platform == "linux":
        _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.execv(command[0], list(command))  # noqa: S606 - our own command; no shell is wanted


def _cover(folder: str, needed: Sequence[str], writable: Sequence[str]) -> None:
    """Mount an empty folder over `folder`, and in it only what is needed, read-only unless it is in `writable`."""
    sources = [os.open(path, os.O_PATH) for path in needed]
    _call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=755,size=64k")
    os.umask(0o022)
    for source, path in zip(sources, needed, strict=True):
        Path(path).mkdir(parents=True, exist_ok=True)
        target = os.fsencode(path)
        _call("mount", f"/proc/self/fd/{source}".encode(), target, None, _MS_BIND, None)
        read_only = 0 if path in writable else _MS_RDONLY
        _call("mount", None, target, None, _MS_BIND | _MS_REMOUNT | read_only | _MS_NOSUID | _MS_NODEV, None)
        os.close(source)
    _call("mount", None, os.fsencode(folder), None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV, None)


def _call(name: str, *arguments: int | bytes | None) -> None:
    """Call a function of the C library that returns 0 when it has worked."""
    values = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in arguments]
    if ctypes.CDLL(None, use_errno=True)[name](*values) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
