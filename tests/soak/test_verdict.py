"""The judge of a soak finds what grows and what stays, and lets go what does not."""

import pytest

from tests.soak.gauges import Sample
from tests.soak.remains import KEEP_S, Age, Keys
from tests.soak.verdict import growth_faults, remains_faults, slope_per_min

REST = Sample(0, {"API MB": 100, "API tasks": 10, "API descriptors": 20})


def series(name: str, *values: float) -> list[Sample]:
    return [Sample(n * 2, {**REST.values, name: value}) for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("name", "step", "faults"),
    [
        ("API MB", 0.0, []),
        ("API MB", 0.1, ["API MB grew by 7.5 in the last quarter"]),
        ("API MB", -0.1, []),
        ("API descriptors", 0.08, ["API descriptors grew by 6.0 in the last quarter"]),
        ("API descriptors", 0.04, []),
    ],
)
def test_what_grows_to_the_end_is_found(name: str, step: float, faults: list[str]) -> None:
    samples = series(name, *(100 + n * step for n in range(300)))
    assert growth_faults(REST, samples, REST) == faults
    assert slope_per_min(name, samples) == pytest.approx(30 * step)


def test_what_grew_while_it_warmed_up_is_none_of_it() -> None:
    assert growth_faults(REST, series("API MB", *range(150), *[150] * 150), REST) == []


def test_a_short_soak_says_nothing_of_growth() -> None:
    samples = series("API MB", *range(200))
    assert growth_faults(REST, samples, REST) == []
    assert slope_per_min("API MB", samples) is None


def test_tasks_that_stay_are_found() -> None:
    after = Sample(400, {**REST.values, "API tasks": 14})
    assert growth_faults(REST, series("API MB", 100, 100), after) == ["API tasks at rest: 14, 10 before"]


def test_what_should_be_gone_is_found() -> None:
    expiry_faults = remains_faults({"unfinished runs": 0}, [Age("job", 5, 60)], [Keys("nx:{*}:log", 3, KEEP_S, 0)])
    assert expiry_faults == []
    stays = remains_faults(
        {"unfinished runs": 2}, [Age("job", 61, 60)], [Keys("x", 3, 90, 1), Keys("nx:{*}:log", 3, 3_600, 0)]
    )
    assert stays == [
        "2 unfinished runs",
        "a job is there 61 s later",
        "1 keys x have no end",
        "keys nx:{*}:log stay 3600 s longer",
    ]
