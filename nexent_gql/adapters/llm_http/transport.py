"""What goes wrong on the way to a provider, whatever its dialect."""

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import cast

import httpx2

from nexent_gql.adapters.outbound import OutboundRefusedError
from nexent_gql.ports.llm import (
    ModelAddressError,
    ModelError,
    ModelOverloadedError,
    ModelProtocolError,
    ModelStreamBrokenError,
    ModelTimeoutError,
    ModelUnreachableError,
)

UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH}


def error_of_transport(error: httpx2.TransportError, *, answered: bool) -> ModelError:
    """Translate a failure of the connection; `answered`: the provider's answer had begun to arrive."""
    if isinstance(error, OutboundRefusedError):
        return ModelAddressError(f"The base URL cannot be used. {error}", cause="ADDRESS_NOT_ALLOWED")
    if isinstance(error, httpx2.TimeoutException):
        return late(error)
    if isinstance(error, httpx2.ConnectError):
        return unreachable(error)
    if answered:
        return ModelStreamBrokenError("The provider's connection ended in the middle of the answer. Try again.")
    return unanswered(error)


def late(error: httpx2.TimeoutException) -> ModelError:
    """Say what took too long."""
    if isinstance(error, httpx2.PoolTimeout):
        return ModelOverloadedError(
            "Too many calls to models are under way on this server. Try again in a moment.", cause="POOL"
        )
    if isinstance(error, httpx2.ConnectTimeout):
        return ModelTimeoutError(
            "The provider's server did not accept the connection in time. Check the base URL, or try again.",
            cause="CONNECT_TIMEOUT",
        )
    return ModelTimeoutError("The provider took too long. Try again in a moment.", cause="TIMEOUT")


def unanswered(error: httpx2.TransportError) -> ModelError:
    """Say why a connection gave no answer at all."""
    if isinstance(error, httpx2.RemoteProtocolError) and "disconnected" not in str(error):
        return ModelProtocolError(
            "The server behind the base URL does not use HTTP. Check the scheme, the host and the port.",
            cause="NOT_HTTP",
        )
    return ModelUnreachableError(
        "The provider's server closed the connection without an answer. Try again.", cause="CLOSED"
    )


def unreachable(error: httpx2.ConnectError) -> ModelUnreachableError:
    """Say why there is no connection, by the operating system's own error underneath."""
    for cause in causes(error):
        if isinstance(cause, socket.gaierror | UnicodeError):
            return ModelUnreachableError("The base URL's host is not known. Check its spelling.", cause="DNS")
        if isinstance(cause, ssl.SSLError):
            return tls(cause)
        if isinstance(cause, ConnectionRefusedError):
            return ModelUnreachableError(
                "Nobody listens at the base URL's host and port. Check both, and that the server runs.",
                cause="CONNECTION_REFUSED",
            )
        if isinstance(cause, OSError) and cause.errno in UNREACHABLE:
            return ModelUnreachableError(
                "There is no way through the network to the base URL's host.", cause="NETWORK_UNREACHABLE"
            )
    return ModelUnreachableError("The provider's server cannot be reached. Check the base URL.", cause="CONNECT")


def tls(error: ssl.SSLError) -> ModelUnreachableError:
    """Say what is wrong with the encryption."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ModelUnreachableError(
            f"The certificate of the base URL's host is not trusted: {error.verify_message}.", cause="TLS_CERTIFICATE"
        )
    return ModelUnreachableError(
        "No encrypted connection to the base URL's host. If the server uses plain HTTP, begin the URL with http://.",
        cause="TLS",
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and all that led to it, also through groups."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
                yield from causes(inner)
        error = error.__cause__ or error.__context__
