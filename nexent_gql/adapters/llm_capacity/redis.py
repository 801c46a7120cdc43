"""Capacity of deployments for all processes, in Redis."""

from typing import cast

from nexent_gql.adapters.llm_capacity.scripts import ACQUIRE, LEAVE, READ, RENEW, REPORT
from nexent_gql.adapters.llm_capacity.settings import MAX_POLL_S, POLL_S, CapacitySettings
from nexent_gql.adapters.redis_client import RedisCommands
from nexent_gql.adapters.redis_scripts import Script
from nexent_gql.ports import llm_capacity


class RedisCapacity:
    """Implements the `Capacity` port with one key for each deployment, and one script for each operation."""

    def __init__(self, commands: RedisCommands, settings: CapacitySettings | None = None) -> None:
        self._commands = commands
        self._settings = settings or CapacitySettings()
        self._slot_ms = _ms(self._settings.slot_s)

    @property
    def lease_s(self) -> float:
        return self._settings.lease_s

    async def acquire(self, claim: llm_capacity.Claim) -> llm_capacity.Decision:
        limits, settings = claim.limits, self._settings
        reply = await self._run(
            ACQUIRE,
            claim.deployment,
            _ms(settings.lease_s),
            _ms(settings.waiter_s),
            settings.max_waiting,
            _ms(POLL_S),
            _ms(MAX_POLL_S),
            claim.call_id,
            claim.owner,
            "" if limits.requests_per_minute is None else limits.requests_per_minute,
            "" if limits.tokens_per_minute is None else limits.tokens_per_minute,
            "" if limits.concurrent_requests is None else limits.concurrent_requests,
            claim.tokens,
            int(claim.joins_queue),
            int(claim.ignores_circuit),
        )
        refusal, wait_ms, position, outstanding = cast("tuple[bytes, int, int, int]", reply)
        return llm_capacity.Decision(
            llm_capacity.Refusal(refusal.decode()) if refusal else None, wait_ms / 1_000, position, outstanding
        )

    async def renew(self, deployment: str, call_id: str) -> None:
        await self._run(RENEW, deployment, _ms(self._settings.lease_s), call_id)

    async def report(self, report: llm_capacity.CallReport) -> llm_capacity.CircuitChange | None:
        settings = self._settings
        reply = await self._run(
            REPORT,
            report.deployment,
            report.call_id,
            report.outcome,
            report.tokens,
            _ms(report.retry_after_s),
            settings.failures_to_open,
            settings.min_calls,
            str(settings.failure_share),
            _ms(settings.open_s),
            _ms(settings.max_open_s),
            _ms(settings.down_s),
        )
        state, failures = cast("tuple[bytes, int]", reply)
        return llm_capacity.CircuitChange(llm_capacity.CircuitState(state.decode()), failures) if state else None

    async def leave(self, deployment: str, call_id: str) -> None:
        await self._run(LEAVE, deployment, call_id)

    async def read(self, deployment: str) -> llm_capacity.DeploymentState:
        reply = await self._run(READ, deployment)
        circuit, outstanding, waiting, wait_ms = cast("tuple[bytes, int, int, int]", reply)
        return llm_capacity.DeploymentState(
            llm_capacity.CircuitState(circuit.decode()), outstanding, waiting, wait_ms / 1_000
        )

    async def _run(self, script: Script, deployment: str, *arguments: str | int) -> object:
        return await self._commands.run(script, f"nx:{{llm:{deployment}}}", self._slot_ms, *arguments)


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)
