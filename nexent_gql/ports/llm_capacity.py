"""How much each deployment of a model is used, and whether it works; shared by all processes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nexent_gql.ports.llm_limits import ModelLimits


class CallOutcome(StrEnum):
    """How a call ended for its deployment.

    OK also stands for a refusal of this one request: the deployment works. DOWN is a failure that lasts until somebody
    changes something, such as a refused key. LEFT has no meaning for the deployment: the caller disconnected.
    """

    OK = "OK"
    FAILED = "FAILED"
    DOWN = "DOWN"
    LIMITED = "LIMITED"
    LEFT = "LEFT"


class CircuitState(StrEnum):
    """The state of a circuit breaker: calls pass, none passes, or a single one that tries whether it works again."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Refusal(StrEnum):
    """Why a call may not begin now: broken, asked to wait by the provider, or at a limit."""

    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    COOLING_DOWN = "COOLING_DOWN"
    AT_LIMIT = "AT_LIMIT"
    QUEUE_FULL = "QUEUE_FULL"


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that waits for admission.

    Attributes:
        call_id: Of the call, the same when it asks again.
        owner: Whose turns are counted; owners take turns when calls wait.
        tokens: How many tokens the call will probably use.
        joins_queue: Whether to wait in the queue of the deployment when it is at a limit.
        ignores_circuit: Whether to call also a deployment that is broken, because there is no other.
    """

    deployment: str
    limits: ModelLimits
    call_id: str
    owner: str
    tokens: int = 0
    joins_queue: bool = False
    ignores_circuit: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call may begin.

    Attributes:
        refusal: Why not; None: the call holds a lease, and has to be reported or renewed before it expires.
        wait_s: When to ask again.
        position: The place in the queue, from 1; 0: not in the queue.
        outstanding: Calls of the deployment that hold a lease.
    """

    refusal: Refusal | None = None
    wait_s: float = 0.0
    position: int = 0
    outstanding: int = 0


@dataclass(frozen=True, slots=True)
class CallReport:
    """A call that has ended; `retry_after_s` is how long the provider asks everybody to wait, 0 if it does not."""

    deployment: str
    call_id: str
    outcome: CallOutcome
    tokens: int = 0
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """A circuit breaker opened or closed; `failures` in a row led to it."""

    state: CircuitState
    failures: int


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """How a deployment is used now; `wait_s` is until it may be called again, 0 if it may."""

    circuit: CircuitState = CircuitState.CLOSED
    outstanding: int = 0
    waiting: int = 0
    wait_s: float = 0.0


class Capacity(Protocol):
    """Leases, limits, queues and circuit breakers of deployments."""

    @property
    def lease_s(self) -> float:
        """Seconds for which a lease counts without being renewed."""
        ...

    async def acquire(self, claim: Claim) -> Decision:
        """Let a call begin, or say why not. Repeating a claim that was granted grants it again.

        Raises:
            UnavailableError: The store does not answer; the lease may have been given.
        """
        ...

    async def renew(self, deployment: str, call_id: str) -> None:
        """Keep the lease of a call that goes on.

        Raises:
            UnavailableError: The store does not answer.
        """
        ...

    async def report(self, report: CallReport) -> CircuitChange | None:
        """Give a lease back, and note how the call went; return what that changed for the first time.

        Raises:
            UnavailableError: The store does not answer.
        """
        ...

    async def leave(self, deployment: str, call_id: str) -> None:
        """Leave the queue of a deployment.

        Raises:
            UnavailableError: The store does not answer.
        """
        ...

    async def read(self, deployment: str) -> DeploymentState:
        """Return how a deployment is used now.

        Raises:
            UnavailableError: The store does not answer.
        """
        ...
