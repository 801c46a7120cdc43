"""What was observed: by clients, by the provider, and at the end in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nexent_gql.kernel.json import dumps
from tests.chaos.claims import Claim
from tests.support.graphql_client import Data


@dataclass(frozen=True)
class Accepted:
    """A server took a message: its run, at a Unix time."""

    client_id: str
    run_id: str
    at_s: float


@dataclass
class Reading:
    """What one subscriber of a run was given, over all of its connections.

    Attributes:
        connections: How many it took.
        completed: The server said `complete` after the last event.
        doing: What it did last, where, and since which Unix time.
    """

    client_id: str
    reader: str
    events: list[Data] = field(default_factory=list[Data])
    connections: int = 0
    completed: bool = False
    doing: str = ""


@dataclass(frozen=True)
class Final:
    """A run as the API tells it when everything is over, and as somebody reads it who comes then.

    `began_s` and `ended_s` are Unix times: a worker took it up, and its end.
    """

    client_id: str
    status: str
    error_code: str | None
    attempt: int
    text: str
    events: Sequence[Data]
    began_s: float
    ended_s: float

    @property
    def ending(self) -> str:
        """Status and error code, as in `Claim.endings`."""
        return self.status if self.error_code is None else f"{self.status} {self.error_code}"


@dataclass(frozen=True)
class Call:
    """The provider was asked for a turn of a claim's script."""

    client_id: str
    turn: int
    at_s: float


@dataclass(frozen=True)
class Refusal:
    """A request that the API answered with an error instead of data."""

    request: str
    code: str


@dataclass(frozen=True)
class Trouble:
    """A request or a socket that ended without an answer, how, and when."""

    request: str
    what: str
    at_s: float


@dataclass(frozen=True)
class Injected:
    """A fault, from when to when, in Unix time."""

    kind: str
    target: str
    at_s: float
    until_s: float


@dataclass(frozen=True)
class Saturation:
    """Tenants filled all slots while more of their runs waited, and another tenant came; times are Unix times.

    Attributes:
        runs: How many runs the tenants sent, more than there are slots.
        endings: How many of these ended, by ending as in `Final.ending`.
        newcomer_at_s: When the other tenant sent its run.
        newcomer_start_s: When that run started; None: never.
        overtaken: How many runs that were sent before it started after it.
    """

    at_s: float
    until_s: float
    runs: int
    endings: Mapping[str, int]
    newcomer_at_s: float
    newcomer_start_s: float | None
    overtaken: int


@dataclass(frozen=True)
class UnservedQueue:
    """No worker served a queue in which jobs waited.

    Attributes:
        is_reported: A server said so while it lasted.
        served_after_s: How long it took to do the jobs when workers served it again; None: not all were done.
    """

    queue: str
    at_s: float
    until_s: float
    is_reported: bool
    served_after_s: float | None


@dataclass(frozen=True)
class StoredDocument:
    """What is stored of a document that was sent with a client id; all its words are different.

    Attributes:
        copies: How many documents have this client id.
        endings: State and error code of each, as in `Final.ending`.
        chunks: How many chunks there are, of all copies and versions.
        indexed: How many of them searches find.
        words_missing: How many of its words are in no chunk.
        words_repeated: How many of its words are in more than one.
        restarts: How often its jobs were begun again.
    """

    client_id: str
    copies: int
    endings: Sequence[str]
    chunks: int
    indexed: int
    words_missing: int = 0
    words_repeated: int = 0
    restarts: int = 0


@dataclass
class History:
    """One run of the harness.

    Attributes:
        deaths: What ended without having been told to.
        left: Counts of what should be gone at the end, by name.
        questions: How often each claim's question is in the database.
        runs: How many runs the database has for each client id.
    """

    claims: Sequence[Claim]
    accepted: list[Accepted] = field(default_factory=list[Accepted])
    readings: list[Reading] = field(default_factory=list[Reading])
    finals: dict[str, Final] = field(default_factory=dict[str, Final])
    calls: list[Call] = field(default_factory=list[Call])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    troubles: list[Trouble] = field(default_factory=list[Trouble])
    faults: list[Injected] = field(default_factory=list[Injected])
    saturations: list[Saturation] = field(default_factory=list[Saturation])
    unserved: list[UnservedQueue] = field(default_factory=list[UnservedQueue])
    documents: list[StoredDocument] = field(default_factory=list[StoredDocument])
    deaths: list[str] = field(default_factory=list[str])
    questions: Mapping[str, int] = field(default_factory=dict[str, int])
    runs: Mapping[str, int] = field(default_factory=dict[str, int])
    left: Mapping[str, int] = field(default_factory=dict[str, int])

    def write(self, path: Path) -> None:
        """Keep it for whoever wants to know what happened."""
        path.write_bytes(dumps(asdict(self)))
