"""Calls of models through routes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

import structlog

from nexent_gql.adapters.llm_router.admission import Admissions, AdmissionSettings, Candidate, CircuitListener, Lease
from nexent_gql.adapters.llm_router.failures import may_pass, may_succeed_elsewhere, outcome_of
from nexent_gql.adapters.llm_router.probing import IDLE_S, IdleProber
from nexent_gql.adapters.llm_router.progress import Progress
from nexent_gql.adapters.llm_router.retries import RetryBudgets, RetryPolicy
from nexent_gql.ports.llm import ChatRequest, LanguageModels, ModelEndpoint, ModelError
from nexent_gql.ports.llm_capacity import CallOutcome, Capacity, CircuitChange, CircuitState
from nexent_gql.ports.llm_routes import Deployment, MidAnswerPolicy, ModelRoute, ModelSwitch, QueuePosition, RouteChunk
from nexent_gql.telemetry.models import ModelMetrics

_Result = TypeVar("_Result")
_log = structlog.get_logger()


@dataclass(slots=True)
class _Attempts:
    """What was tried for one request, and how it failed."""

    route: ModelRoute
    tenant_id: UUID | None
    excluded: set[str] = field(default_factory=set[str])
    passing: dict[str, ModelError] = field(default_factory=dict[str, ModelError])
    calls: int = 0
    round_number: int = 1

    @property
    def has_alternatives(self) -> bool:
        """Whether another deployment could be called if the next one fails."""
        return len(self.excluded) + 1 < len(self.route.deployments)

    def endpoint(self, deployment: Deployment) -> ModelEndpoint:
        """Return how to call a deployment: with shorter timeouts while others could answer."""
        endpoint, limit_s = deployment.endpoint, self.route.first_token_s
        if limit_s is None or not self.has_alternatives:
            return endpoint
        usual = endpoint.deadlines
        first_byte_s = limit_s if usual.first_byte_s is None else min(limit_s, usual.first_byte_s)
        first_content_s = limit_s if usual.first_content_s is None else min(limit_s, usual.first_content_s)
        deadlines = replace(usual, first_byte_s=first_byte_s, first_content_s=first_content_s)
        return replace(endpoint, deadlines=deadlines)


@dataclass(slots=True, kw_only=True)
class _Answer(_Attempts):
    """The attempts for one streamed answer.

    `switched_from` is the deployment that failed within the answer, until another one goes on.
    """

    progress: Progress
    switched_from: tuple[Deployment, ModelError] | None = None
    keeps_answer: bool = False

    def take_switch(self, deployment: Deployment) -> ModelSwitch | None:
        """Return the switch to a deployment that begins to answer, once."""
        if self.switched_from is None:
            return None
        (failed, error), self.switched_from = self.switched_from, None
        if not self.keeps_answer:
            self.progress.restart()
        return ModelSwitch(failed.name, deployment.name, error.code, self.keeps_answer)


class ModelRouter:
    """Implements the `RoutedModels` port over models and the capacity of their deployments.

    Args:
        models: Makes the calls, without trying again, and tries idle deployments.
        capacity: Leases, limits and circuit breakers.
        retry: How much is tried again.
        budgets: Limits what a tenant may try again.
        on_circuit_change: Called in the background when a circuit opens or closes.
        metrics: Counts failovers, circuits and waits.
        idle_s: How long after a circuit could close an idle deployment is probed.
        sleep: How to wait, for tests.
    """

    def __init__(
        self,
        models: LanguageModels,
        capacity: Capacity,
        *,
        retry: RetryPolicy | None = None,
        budgets: RetryBudgets | None = None,
        on_circuit_change: CircuitListener | None = None,
        metrics: ModelMetrics | None = None,
        idle_s: float = IDLE_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._models = models
        self._retry = retry or RetryPolicy()
        self._budgets = budgets or RetryBudgets()
        self._sleep = sleep
        self._metrics = metrics or ModelMetrics()
        settings = AdmissionSettings(max_cooling_s=self._retry.longest_wait_s)
        self._admissions = Admissions(
            capacity, settings, on_circuit_change=self._note_circuit, on_wait=self._metrics.count_wait, sleep=sleep
        )
        self._on_circuit_change = on_circuit_change
        self._prober = IdleProber(models, capacity, idle_s=idle_s)

    async def aclose(self) -> None:
        """Wait, for at most two seconds, until ended calls are reported."""
        await self._prober.aclose()
        await self._admissions.aclose()

    async def stream(self, route: ModelRoute, request: ChatRequest, /) -> AsyncGenerator[RouteChunk]:
        """See `RoutedModels`.

        Before the first piece of the answer, another deployment is tried without a sign to the caller. After it, the
        policy of the route decides.
        """
        progress = Progress(replace(request, cache_key=route.affinity))
        tenant_id = request.attribution.tenant_id if request.attribution else None
        call, candidate = _Answer(route, tenant_id, progress=progress), Candidate.of(request)
        while True:
            lease: Lease | None = None
            async with aclosing(self._admissions.enter(route, candidate, call.excluded)) as steps:
                async for step in steps:
                    if isinstance(step, QueuePosition):
                        yield step
                    else:
                        lease = step
            if lease is None:
                raise RuntimeError("an admission ends with a lease or an error")
            call.calls += 1
            deployment, failure, outcome = lease.deployment, None, CallOutcome.LEFT
            chunks = self._models.stream(
                call.endpoint(deployment),
                progress.begin(deployment.key, keeps_answer=bool(call.switched_from) and call.keeps_answer),
            )
            try:
                async with aclosing(chunks):
                    async for chunk in chunks:
                        if call.switched_from is not None and (switch := call.take_switch(deployment)) is not None:
                            yield switch
                        for piece in progress.pieces(chunk):
                            yield piece
                outcome = CallOutcome.OK
            except ModelError as error:
                failure, outcome = error, outcome_of(error)
            finally:
                report = lease.end(outcome, failure, progress.tokens)
            if failure is None:
                self._budgets.give_back(call.tenant_id)
                return
            await asyncio.shield(report)  # the next admission has to know of the failure
            self._apply_policy(call, deployment, failure)
            await self._prepare_next(call, deployment, failure)

    async def call(
        self, route: ModelRoute, candidate: Candidate, call: Callable[[ModelEndpoint], Awaitable[_Result]]
    ) -> _Result:
        """Return the result of a call that is not streamed, of any kind of model.

        Raises:
            ModelError: No deployment gave a result; the error is that of the last one.
        """
        tenant_id = candidate.attribution.tenant_id if candidate.attribution else None
        attempts = _Attempts(route, tenant_id)
        while True:
            lease = await self._admit(attempts, candidate)
            attempts.calls += 1
            try:
                result = await _measured(lease, call(attempts.endpoint(lease.deployment)))
            except ModelError as error:
                await self._prepare_next(attempts, lease.deployment, error)
            else:
                self._budgets.give_back(tenant_id)
                return result

    async def _admit(self, attempts: _Attempts, candidate: Candidate) -> Lease:
        """Return a lease of a deployment after waiting for one.

        Raises:
            ModelRateLimitedError: It would take too long.
        """
        async with aclosing(self._admissions.enter(attempts.route, candidate, attempts.excluded)) as steps:
            async for step in steps:
                if isinstance(step, Lease):
                    return step
        raise RuntimeError("an admission ends with a lease or an error")

    async def _prepare_next(self, call: _Attempts, failed: Deployment, error: ModelError) -> None:
        """Decide what to try after a failure, and wait where that helps.

        Raises:
            ModelError: Nothing is tried any more.
        """
        call.excluded.add(failed.key)
        if may_pass(error):
            call.passing[failed.key] = error
        if not may_succeed_elsewhere(error) or call.calls >= self._retry.max_calls:
            raise self._final(call, failed, error)
        wait_s = 0.0
        if all(deployment.key in call.excluded for deployment in call.route.deployments):
            error = call.passing.get(failed.key) or next(iter(call.passing.values()), error)
            next_wait_s = self._retry.wait_s(error, call.round_number)
            if next_wait_s is None:
                raise self._final(call, failed, error)
            wait_s = next_wait_s
            call.round_number += 1
            call.excluded -= call.passing.keys()
            call.passing.clear()
        if not self._budgets.take(call.tenant_id):
            _log.warning("model.retry_budget_used_up", tenant_id=str(call.tenant_id))
            raise self._final(call, failed, error)
        self._metrics.count_failover(failed.endpoint.model, error.code)
        _log.info("model.failed_over", model=failed.name, code=error.code, calls=call.calls)
        if wait_s:
            await self._sleep(wait_s)

    async def _note_circuit(
        self, tenant_id: UUID | None, deployment: Deployment, change: CircuitChange, error: ModelError | None
    ) -> None:
        async def note_closed(change: CircuitChange) -> None:
            await self._note_circuit(tenant_id, deployment, change, None)

        _log.warning(
            "model.circuit",
            state=change.state,
            model=deployment.name,
            failures=change.failures,
            code=error.code if error else None,
        )
        self._metrics.count_circuit_change(deployment.endpoint.model, change.state)
        if change.state is CircuitState.OPEN:
            self._prober.watch(deployment, note_closed)
        if self._on_circuit_change is not None:
            await self._on_circuit_change(tenant_id, deployment, change, error)

    def _apply_policy(self, call: _Answer, failed: Deployment, error: ModelError) -> None:
        """Decide how an answer goes on that has begun.

        Raises:
            ModelError: It does not.
        """
        if not call.progress.has_begun:
            return
        policy = call.route.mid_answer_policy
        if policy is MidAnswerPolicy.FAIL:
            raise self._final(call, failed, error)
        call.switched_from = call.switched_from or (failed, error)
        call.keeps_answer = policy is MidAnswerPolicy.CONTINUE and call.progress.can_continue

    def _final(self, call: _Attempts, failed: Deployment, error: ModelError) -> ModelError:
        """Return the error to raise; the provider's sentence holds no key."""
        error.details["tries"] = call.calls
        _log.warning(
            "model.failed",
            code=error.code,
            model=failed.endpoint.model,
            base_url=failed.endpoint.base_url,
            tries=call.calls,
            cause=error.details.get("cause"),
            provider_message=error.provider_message,
            retry_after_s=error.retry_after_s,
        )
        return error


async def _measured(lease: Lease, call: Awaitable[_Result]) -> _Result:
    """Make a call, and give its lease back."""
    failure, outcome = None, CallOutcome.LEFT
    try:
        result = await call
        outcome = CallOutcome.OK
    except ModelError as error:
        failure, outcome = error, outcome_of(error)
        raise
    finally:
        report = lease.end(outcome, failure, None)
        if failure is not None:
            await asyncio.shield(report)  # the next admission has to know of the failure
    return result
