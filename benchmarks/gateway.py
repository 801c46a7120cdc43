"""What the gateway adds to a call of a model, beside a bare client that reads the same stream in the same process."""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path

import httpx2

from benchmarks.bench import Bench
from benchmarks.report import Report, median, quantile, short
from benchmarks.stamps import lags_of
from nexent_gql.adapters.llm_capacity import FallbackCapacity, MemoryCapacity, RedisCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_router import ModelRouter
from nexent_gql.adapters.llm_router.admission import Admissions, AdmissionSettings, Candidate, Lease
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import dumps, loads, loads_object
from nexent_gql.ports.llm import ChatMessage, ChatRequest, Dialect, LanguageModels, ModelEndpoint, TextChunk
from nexent_gql.ports.llm_limits import ModelLimits
from nexent_gql.ports.llm_routes import Deployment, ModelRoute
from nexent_gql.telemetry.logs import configure_logging
from tests.support.fake_provider import Text
from tests.support.fake_provider_process import fake_provider_process
from tests.support.llm import plain_client

MAX_ADDED_MS, MAX_RATIO, MAX_DECISION_MS = 0.5, 1.3, 1.0
MAX_LAG_MS = 50.0
STREAMS, STREAM_TOKENS, TOKENS_PER_S = 200, 100, 20
TOKENS, PACKETS = 1_200, 400
PACKETS_PER_S = 400
REQUEST = ChatRequest((ChatMessage.from_text("user", "Hi"),))
Call = Callable[[str], Awaitable[int]]
_PEERS = Path(__file__).with_name("peers")
SDKS = {
    "openai SDK": ("NEXENT_BENCH_OPENAI_PYTHON", _PEERS / "openai_sdk.py"),
    "LiteLLM SDK": ("NEXENT_BENCH_LITELLM_PYTHON", _PEERS / "litellm_sdk.py"),
}
"""By name: the variable that names a Python which has it, and the program that this Python runs."""


async def run(bench: Bench) -> Report:
    """Call a provider of this machine in turns: by a bare client, through the gateway, and with SDKs."""
    configure_logging("json", "INFO")  # as a worker does; without it, debugging messages are printed too
    report = Report("gateway", "Calls of a model, one after the other, to a provider on this machine.")
    rounds, calls = (1, 2) if bench.short else (7, 40)
    async with fake_provider_process() as provider, plain_client() as client:
        await provider.script("short", [Text("Fine.")])
        await provider.script("long", [Text(tokens=TOKENS)])
        await provider.script("packets", [Text(tokens=PACKETS, tokens_per_s=PACKETS_PER_S)])
        await provider.script("paced", [Text(tokens=STREAM_TOKENS, tokens_per_s=TOKENS_PER_S, stamp=True)])
        models = LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)})
        shared = FallbackCapacity(RedisCapacity(bench.env.runtime.redis.commands))
        ways: Mapping[str, Call] = {
            "bare client": lambda model: _bare(client, provider.base_url, model),
            "gateway, one model": _routed(models, MemoryCapacity(), provider.base_url, 1),
            "gateway, route with limits in Redis": _routed(models, shared, provider.base_url, 2),
        }
        waits: dict[str, list[float]] = {name: [] for name in ways}
        bursts: dict[str, list[float]] = {name: [] for name in ways}
        packets: dict[str, list[float]] = {name: [] for name in ways}
        for call in ways.values():
            await call("short")
        for _ in range(rounds):
            for name, call in ways.items():
                waits[name].append(await _wait_ms(call, calls))
                bursts[name].append(await _cpu_us(call, "long", TOKENS, 1 if bench.short else 4))
                packets[name].append(await _cpu_us(call, "packets", PACKETS, 1))
        sdks_ms = {name: await _sdk_ms(*sdk, provider.base_url, calls) for name, sdk in SDKS.items()}
        lags_ms = await _lags_ms(models, provider.base_url, 20 if bench.short else STREAMS)
    decisions_ms = await _decisions_ms(50 if bench.short else 2_000)
    _write_calls(report, waits, sdks_ms)
    _write_cpu(report, packets, bursts)
    _write_load(report, lags_ms, decisions_ms)
    return report


async def _bare(client: httpx2.AsyncClient, base_url: str, model: str) -> int:
    """Read an answer without anything that a real one may need; return its pieces."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    pieces = 0
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    async with client.stream("POST", f"{base_url}/chat/completions", content=dumps(body), headers=headers) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                pieces += bool(loads(line[6:]))
    return pieces


def _routed(models: LanguageModels, capacity: MemoryCapacity | FallbackCapacity, base_url: str, size: int) -> Call:
    router, ids = ModelRouter(models, capacity), [new_id() for _ in range(size)]
    limits = ModelLimits() if size == 1 else ModelLimits(1_000_000, 100_000_000, 100)

    async def call(model: str) -> int:
        endpoints = [ModelEndpoint(Dialect.OPENAI, model, base_url, limits=limits, model_id=id_) for id_ in ids]
        route = ModelRoute((tuple([Deployment(endpoint) for endpoint in endpoints]),), affinity="talk")
        pieces = 0
        async with aclosing(router.stream(route, REQUEST)) as chunks:
            async for chunk in chunks:
                pieces += isinstance(chunk, TextChunk)
        return pieces

    return call


async def _wait_ms(call: Call, times: int) -> float:
    """Return the time of a short call that nothing disturbed: the tenth percentile."""
    took_ms: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        await call("short")
        took_ms.append((time.perf_counter() - began) * 1_000)
    return quantile(took_ms, 0.1)


async def _cpu_us(call: Call, model: str, tokens: int, times: int) -> float:
    """Return the processor time for each token of an answer, in microseconds."""
    began = time.process_time()
    for _ in range(times):
        if await call(model) < tokens:
            raise RuntimeError("the answer is not whole")
    return (time.process_time() - began) / (times * tokens) * 1e6


async def _lags_ms(models: LanguageModels, base_url: str, streams: int) -> list[float]:
    """Return how late each token of so many concurrent answers comes out of the gateway."""
    router, endpoint = ModelRouter(models, MemoryCapacity()), ModelEndpoint(Dialect.OPENAI, "paced", base_url)
    lags_ms: list[float] = []

    async def read() -> None:
        async with aclosing(router.stream(ModelRoute.of(endpoint), REQUEST)) as chunks:
            async for chunk in chunks:
                lags_ms.extend(lags_of(chunk.text) if isinstance(chunk, TextChunk) else ())

    await asyncio.gather(*(read() for _ in range(streams)))
    return lags_ms


async def _sdk_ms(variable: str, program: Path, base_url: str, calls: int) -> float | None:
    """Return the time of an undisturbed short call with an SDK; None where it is not installed."""
    interpreter = os.environ.get(variable)
    if not interpreter:
        return None
    process = await asyncio.create_subprocess_exec(
        *(interpreter, str(program), base_url, str(calls)), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    value = loads_object(output.splitlines()[-1])["p10_ms"]
    return float(value) if isinstance(value, int | float) else None


async def _decisions_ms(times: int) -> list[float]:
    """Return the processor time of choosing one of 50 deployments and getting its lease, in memory."""
    limits = ModelLimits(1_000_000, None, 100)
    endpoints = [ModelEndpoint(Dialect.OPENAI, "m", limits=limits, model_id=new_id()) for _ in range(50)]
    groups = (tuple([Deployment(endpoint) for endpoint in endpoints]),)

    async def ignore(*_arguments: object, **_named: object) -> None:
        """Do nothing about circuits."""

    admissions = Admissions(MemoryCapacity(), AdmissionSettings(), on_circuit_change=ignore)
    took_ms: list[float] = []
    for number in range(times):
        route = ModelRoute(groups, affinity=str(number))
        began = time.thread_time()
        async with aclosing(admissions.enter(route, Candidate.of(REQUEST), ())) as steps:
            async for step in steps:
                took_ms.append((time.thread_time() - began) * 1_000)
                if isinstance(step, Lease):
                    step.cancel()
    return took_ms


def _write_calls(
    report: Report,
    waits: Mapping[str, list[float]],
    sdks_ms: Mapping[str, float | None],
) -> None:
    bare_ms = waits["bare client"]
    added = {
        name: median([mine - bare for mine, bare in zip(each, bare_ms, strict=True)]) for name, each in waits.items()
    }
    rows = [(name, short(median(waits[name])), short(added[name])) for name in waits]
    for name, ms in sdks_ms.items():
        if ms is None:
            report.say(f"Without the {name}: `benchmarks/gateway.py` says how to name a Python that has it.")
        else:
            rows.append((name, short(ms), short(ms - median(bare_ms))))
    report.table(("", "ms a call", "added ms"), rows)
    report.say(
        "A call has one token and is the tenth percentile of a round.",
        "The accounts, one row in PostgreSQL for each call, are left out.",
    )
    one = added["gateway, one model"]
    report.verdict(f"adds at most {MAX_ADDED_MS} ms to a call", f"{short(one)} ms", holds=one <= MAX_ADDED_MS)


def _write_cpu(report: Report, packets: Mapping[str, list[float]], bursts: Mapping[str, list[float]]) -> None:
    """Write the processor time of a token: of one that comes alone, as from models, and of one among many."""
    ratios = [_ratios(each) for each in (packets, bursts)]
    rows = [
        (
            name,
            *(
                short(each)
                for us, of in zip((packets, bursts), ratios, strict=True)
                for each in (of[name], median(us[name]))
            ),
        )
        for name in packets
    ]
    report.table(("", "a token a packet / bare client", "µs", "many a packet / bare client", "µs"), rows)
    report.say(
        f"CPU of a token: of {PACKETS} that come alone, {PACKETS_PER_S} a second, and of {TOKENS} that come at once.",
        "Alone, the event loop, the socket and the parser of HTTP (h11) take most of it with any client. At once, h11",
        "takes about half of the gateway's time; events, JSON, marks of thinking and the time limit share the rest.",
    )
    one, many = (each["gateway, one model"] for each in ratios)
    report.verdict(f"CPU of a token alone at most {MAX_RATIO} times", short(one), holds=one <= MAX_RATIO)
    report.verdict(f"CPU of a token among many at most {MAX_RATIO} times", short(many), holds=many <= MAX_RATIO)


def _ratios(times_us: Mapping[str, list[float]]) -> Mapping[str, float]:
    bare_us = times_us["bare client"]
    return {
        name: median([mine / bare for mine, bare in zip(each, bare_us, strict=True)]) for name, each in times_us.items()
    }


def _write_load(report: Report, lags_ms: list[float], decisions_ms: list[float]) -> None:
    report.say(
        f"{len(lags_ms) // STREAM_TOKENS} answers at once of {TOKENS_PER_S} tokens a second come",
        f"{short(statistics.median(lags_ms))} ms late, p95 {short(quantile(lags_ms, 0.95))} ms.",
        f"A choice among 50 deployments takes {short(statistics.median(decisions_ms))} ms of CPU, p95",
        f"{short(quantile(decisions_ms, 0.95))} ms.",
    )
    lag_ms = quantile(lags_ms, 0.95)
    report.verdict(f"p95 of the lag at most {MAX_LAG_MS:g} ms", f"{short(lag_ms)} ms", holds=lag_ms <= MAX_LAG_MS)
    p95 = quantile(decisions_ms, 0.95)
    report.verdict(f"p95 of a choice at most {MAX_DECISION_MS:g} ms", f"{short(p95)} ms", holds=p95 <= MAX_DECISION_MS)
