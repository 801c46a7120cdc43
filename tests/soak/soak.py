"""One soak: an installation, load for a while, rest, and what is left of it."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nexent_gql.api.schema.relay import node_id
from tests.chaos.setting import make_agent
from tests.soak.gauges import Gauges, Sample, free_ports, watch
from tests.soak.load import Load
from tests.soak.remains import SETTINGS, Age, Keys, ages, keys, settle
from tests.soak.verdict import growth_faults, remains_faults
from tests.support.fake_provider_process import fake_provider_process
from tests.support.fake_provider_steps import Text, Tool
from tests.support.graphql_client import Client
from tests.support.health_checks import blocked_loops, too_long
from tests.support.installation import Installation, running
from tests.support.trial import Say

WORKERS = 2
ASKERS = 6
DAY_S = 86_400
REST_S = 2.0
_SCRIPT = [[Text("I shall count. "), Tool("calculator", {"expression": "6*7"})], [Text(tokens=60, tokens_per_s=40)]]


@dataclass(frozen=True)
class Outcome:
    """What a soak found.

    Attributes:
        before: At rest, before anybody came.
        samples: Under load, in order.
        after: At rest, after the last one left.
        left: Counts of what should be gone, by name.
        folder: State and logs.
    """

    took_s: float
    done: Counter[str]
    troubles: Sequence[str]
    before: Sample
    samples: Sequence[Sample]
    after: Sample
    left: Mapping[str, int]
    ages: Sequence[Age]
    keys: Sequence[Keys]
    folder: Path

    @property
    def faults(self) -> Sequence[str]:
        """What grew, stayed or went wrong."""
        grown = growth_faults(self.before, self.samples, self.after)
        return [*grown, *remains_faults(self.left, self.ages, self.keys), *self.troubles]

    @property
    def succeeded(self) -> bool:
        """Whether nothing grew, stayed or went wrong."""
        return not self.faults


async def soak(load_s: float, say: Say, *, askers: int = ASKERS) -> Outcome:
    """Put load on an installation of its own, and measure it; the folder is the caller's to remove."""
    folder = Path(tempfile.mkdtemp(prefix="nexent-soak-"))
    metrics_port = free_ports(WORKERS + 1)
    environment = {**SETTINGS, "NEXENT_METRICS_PORT": str(metrics_port)}
    say(f"starting an installation in {folder}")
    with running(Installation(folder / "state", environment=environment, workers=WORKERS)) as installation:
        return await _soak(installation, metrics_port, load_s, askers, say)


async def _soak(installation: Installation, metrics_port: int, load_s: float, askers: int, say: Say) -> Outcome:
    began_s = time.monotonic()
    token = installation.command("token", "--ttl-s", str(DAY_S)).stdout.strip()
    async with fake_provider_process() as provider, Client(installation.url, token) as client:
        await provider.script("soak", *_SCRIPT, turn_by="history")
        load = Load(client, await make_agent(client, provider.base_url, "soak"), askers, asyncio.Event())
        tenant = (await client.execute("{ viewer { tenant { id } } }"))["viewer"]["tenant"]
        gauges = Gauges.of(installation, metrics_port, node_id(tenant["id"], "Tenant"))
        await asyncio.sleep(REST_S)
        before = await gauges.read()
        say(f"load for {load_s:.0f} s")
        samples = await _work(load, gauges, load_s)
        say("everybody has left; waiting for what ends by itself")
        left = await settle(gauges)
        await asyncio.sleep(REST_S)
        after, old, key_lifetimes = await gauges.read(), await ages(gauges), await keys(gauges)
    blocked = [f"a loop was blocked: {line}" for line in too_long(blocked_loops(installation.state_dir))]
    troubles, took_s = [*load.troubles, *blocked], time.monotonic() - began_s
    return Outcome(
        took_s, load.done, troubles, before, samples, after, left, old, key_lifetimes, installation.state_dir.parent
    )


async def _work(load: Load, gauges: Gauges, load_s: float) -> Sequence[Sample]:
    """Let the load work for so long, and then end what it has begun; return what was measured meanwhile."""
    watching = asyncio.create_task(watch(gauges, max(1.0, load_s / 200)))
    working = asyncio.create_task(load.run())
    await asyncio.wait({working, watching}, timeout=load_s, return_when=asyncio.FIRST_COMPLETED)
    load.over.set()
    await working
    watching.cancel()
    return await watching
