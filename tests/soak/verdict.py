"""Judges what a soak measured, and says it in a table."""

from collections.abc import Generator, Mapping, Sequence
from statistics import linear_regression, median
from typing import TYPE_CHECKING

from tests.soak.gauges import Sample
from tests.soak.remains import KEEP_S, Age, Keys

if TYPE_CHECKING:
    from tests.soak.soak import Outcome

JUDGED_FROM_S = 480.0
"""Shorter soaks say nothing of growth: pools and caches are filling for minutes, and the collector lets 50,000 objects
gather before it looks at them.
"""
GROWTH = {"MB": 4.0, "descriptors": 5.0, "tasks": 10.0, "connections": 5.0}
"""How much more the last quarter may have than the one before, by unit: load is not the same all the time."""
TASKS_AT_REST = 3.0
FAULTS_SHOWN = 20


def growth_faults(before: Sample, samples: Sequence[Sample], after: Sample) -> Sequence[str]:
    """Return a sentence for each gauge that grew."""
    faults: list[str] = []
    for name, value in after.values.items():
        growth = growth_of(name, samples)
        if growth is not None and growth > GROWTH[name.rsplit(" ", 1)[1]]:
            faults.append(f"{name} grew by {growth:.1f} in the last quarter")
        if name.endswith(" tasks") and value > before.values[name] + TASKS_AT_REST:
            faults.append(f"{name} at rest: {value:.0f}, {before.values[name]:.0f} before")
    return faults


def remains_faults(left: Mapping[str, int], ages: Sequence[Age], keys: Sequence[Keys]) -> Sequence[str]:
    """Return a sentence for each kind of thing that should be gone."""
    faults = [f"{count} {name}" for name, count in left.items() if count]
    faults += [f"a {each.name} is there {each.past_s:.0f} s later" for each in ages if each.past_s > each.limit_s]
    faults += [f"{each.endless} keys {each.pattern} have no end" for each in keys if each.endless]
    late = [each for each in keys if each.pattern.endswith(":log") and each.longest_s > KEEP_S]
    return [*faults, *(f"keys {each.pattern} stay {each.longest_s:.0f} s longer" for each in late)]


def growth_of(name: str, samples: Sequence[Sample]) -> float | None:
    """Return how much more the last quarter has than the one before, by their medians; None: too short to tell."""
    if len(samples) < 4 or samples[-1].at_s - samples[0].at_s < JUDGED_FROM_S:
        return None
    quarter = len(samples) // 4
    third, last = samples[-2 * quarter : -quarter], samples[-quarter:]
    return median(each.values[name] for each in last) - median(each.values[name] for each in third)


def slope_per_min(name: str, samples: Sequence[Sample]) -> float | None:
    """Return the slope of a gauge in the second half, when everything is warm; None: too short to tell."""
    if growth_of(name, samples) is None:
        return None
    warm = samples[len(samples) // 2 :]
    return linear_regression([each.at_s / 60 for each in warm], [each.values[name] for each in warm]).slope


def lines(outcome: "Outcome") -> Generator[str]:
    """Yield the table and the verdict."""
    done = ", ".join(f"{count} {what}" for what, count in outcome.done.items())
    yield f"{done} in {outcome.took_s:.0f} s"
    yield f"{'':24}{'at rest':>9}{'most':>9}{'last':>9}{'at rest':>9}{'a minute':>10}"
    for name, value in outcome.before.values.items():
        most = max(each.values[name] for each in outcome.samples)
        last, rest = outcome.samples[-1].values[name], outcome.after.values[name]
        slope = slope_per_min(name, outcome.samples)
        trend = "" if slope is None else f"{slope:+.2f}"
        yield f"{name:24}{value:9.1f}{most:9.1f}{last:9.1f}{rest:9.1f}{trend:>10}"
    for each in outcome.keys:
        yield f"Redis {each.pattern}: {each.count}, at most {each.longest_s:.0f} s left"
    for each in outcome.ages:
        yield f"oldest {each.name}: {each.past_s:.0f} s past its end, at most {each.limit_s:.0f} s"
    yield "left: " + (", ".join(f"{count} {name}" for name, count in outcome.left.items() if count) or "nothing")
    for fault in outcome.faults[:FAULTS_SHOWN]:
        yield f"  FAULT {fault}"
    yield f"verdict: {len(outcome.faults)} faults; see {outcome.folder}" if outcome.faults else "verdict: nothing grows"
