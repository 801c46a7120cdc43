"""Opens the socket that the server listens on."""

import errno
import resource
import socket

import click

DEFAULT_PORT = 5010
_BACKLOG = 2_048


def allow_descriptors(count: int) -> None:
    """Raise the limit of open files to `count`, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft_limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < soft_limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft_limit, hard))


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        click.ClickException: The port is taken, or the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise click.ClickException(_explain(error, host, port)) from None
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken; choose another one with --port, or stop the program that listens there."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} requires privileges; choose one above 1023 with --port."
    return f"Cannot listen on {host}:{port}: {error.strerror}."
