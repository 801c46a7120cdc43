"""Restrictions of a child process of the pool: no network, no programs, no access to other processes.

On Linux a seccomp filter refuses the system calls; elsewhere only the resource limits hold. Standard library only.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_EPERM, _ENOSYS = 1, 38

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NUMBER_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_FOREIGN_CALLS = 0x40000000
"""Numbers from here on are those of x86-64's second table, which no Python uses."""

_CLONE3 = 435
_REFUSED = (
    (
        # Of x86-64: socket, connect, bind, listen, accept, accept4, sendto, sendmsg,
        *(41, 42, 49, 50, 43, 288, 44, 46),
        # fork, vfork, execve, execveat, ptrace, process_vm_readv, process_vm_writev, kill, tkill,
        *(57, 58, 59, 322, 101, 310, 311, 62, 200),
        # unshare, setns, mount, bpf, perf_event_open, userfaultfd, keyctl, add_key, request_key.
        *(272, 308, 165, 321, 298, 323, 250, 248, 249),
    ),
    (
        # Of arm64: the same, without fork and vfork, which it does not have.
        *(198, 203, 200, 201, 202, 242, 206, 211),
        *(221, 281, 117, 270, 271, 129, 130),
        *(97, 268, 40, 280, 241, 282, 219, 217, 218),
    ),
)
_REFUSED_EVERYWHERE = (424, 434, 438, 425, 426, 427)
"""Process handles (pidfd), and io_uring, which could bypass the filter."""
_MACHINES = ("x86_64", "aarch64")
_CLONE = {"x86_64": 56, "aarch64": 220}
_MACHINE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_FILES = 64
_FILE_BYTES = 64 * 1024 * 1024


def confine(parent: int) -> dict[str, bool]:
    """Drop the rights that tasks do not need; returns the restrictions in force.

    Args:
        parent: Process id of the pool's process; this process ends with it.
    """
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
    ):
        resource.setrlimit(kind, (value, value))
    if sys.platform != "linux":
        return {"network_refused": False}
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    is_locked = _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return {"network_refused": is_locked and _refuse_calls()}


def _refuse_calls() -> bool:
    machine = platform.machine()
    if machine not in _MACHINE:
        return False
    code = b"".join(_filter(machine))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(program, len(program)))


def _filter(machine: str) -> Sequence[bytes]:
    """Return the filter's instructions: refused calls fail, threads and everything else are allowed."""
    refused = (*_REFUSED[_MACHINES.index(machine)], *_REFUSED_EVERYWHERE)
    steps = [
        _step(_LOAD, _MACHINE_AT),
        _step(_JUMP_EQUAL, _MACHINE[machine], then=1),
        _step(_RETURN, _ERROR | _EPERM),
        _step(_LOAD, _NUMBER_AT),
        _step(_JUMP_AT_LEAST, _FOREIGN_CALLS, otherwise=1),
        _step(_RETURN, _ERROR | _EPERM),
        _step(_JUMP_EQUAL, _CLONE3, otherwise=1),
        _step(_RETURN, _ERROR | _ENOSYS),  # its flags can't be read here; the C library then uses clone
    ]
    for number in refused:
        steps += [_step(_JUMP_EQUAL, number, otherwise=1), _step(_RETURN, _ERROR | _EPERM)]
    return [
        *steps,
        _step(_JUMP_EQUAL, _CLONE[machine], otherwise=3),
        _step(_LOAD, _FIRST_ARGUMENT_AT),
        _step(_JUMP_ANY_BIT, _CLONE_THREAD, then=1),
        _step(_RETURN, _ERROR | _EPERM),
        _step(_RETURN, _ALLOW),
    ]


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)


def _prctl(option: int, *arguments: object) -> bool:
    values = [*arguments, *([0] * (4 - len(arguments)))]
    converted = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in values]
    return ctypes.CDLL(None, use_errno=True).prctl(option, *converted) == 0
