"""Where an engine listens: a unix socket in a private folder, else a free port of the loopback."""

import socket
from dataclasses import dataclass
from pathlib import Path

from nexent_gql.embedded.account import Account
from nexent_gql.embedded.errors import EngineError
from nexent_gql.embedded.layout import Layout

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """A place to listen.

    Attributes:
        folder: Private to the engines' user and reachable for it; also holds an engine's secret files.
        port: None for a unix socket in `folder`, else a TCP port of the loopback.
    """

    folder: Path
    port: int | None = None


def choose_address(layout: Layout, account: Account | None, *, tcp: bool) -> Address:
    """Find a place for one engine; `tcp` asks for a port even where a socket would do.

    Raises:
        EngineError: The engines' user can reach no private folder.
    """
    folder = layout.socket_folder(account)
    if folder is not None:
        return Address(folder, _free_port() if tcp else None)
    if account is None:
        return Address(layout.run, _free_port())
    msg = f"No private folder for user {account.name} can be made in /run or the temporary folder: make one of them writable."
    raise EngineError(msg)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
