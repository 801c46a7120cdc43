"""Values that leave the sandbox."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.sandbox_monty.values import TooLargeError, readable, to_json
from nexent_gql.kernel.json import dumps
from tests.support.stopwatch import Stopwatch

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner)
)


@given(VALUES)
def test_reads_as_python_writes(value: object) -> None:
    assert readable(value, 1_000_000) == (value if isinstance(value, str) else repr(value))


@given(VALUES, st.integers(0, 50))
def test_never_reads_longer_than_allowed(value: object, limit: int) -> None:
    assert len(readable(value, limit)) <= limit + len(" ... (cut)")


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(), st.lists))
def test_json_stays_as_it_is(value: object) -> None:
    assert to_json(value, 1_000_000) == value


@given(VALUES)
def test_everything_can_be_stored(value: object) -> None:
    stored = json.dumps(to_json(value, 1_000_000))
    assert json.loads(stored) == to_json(value, 1_000_000)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1,), "(1,)"),
        (set[int](), "set()"),
        (frozenset({1}), "{1}"),
        (Decimal("1.5"), "Decimal('1.5')"),
        (date(2026, 3, 1), "datetime.date(2026, 3, 1)"),
        (float("nan"), "nan"),
    ],
)
def test_reads_special_values(value: object, text: str) -> None:
    assert readable(value, 100) == text
    assert dumps(to_json(value, 100))


def test_names_the_size_of_integers_that_python_will_not_write() -> None:
    assert readable([1 << 20_000], 100) == "[<an integer of 20001 bits>]"


def test_bombs_cost_no_more_than_their_limit() -> None:
    doubled: list[object] = [1]
    for _ in range(60):
        doubled = [doubled, doubled]
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    cyclic: list[object] = []
    cyclic.append(cyclic)
    watch = Stopwatch()
    for bomb in (doubled, deep, cyclic, "x" * 10_000_000, [b"x" * 10_000_000], {"k" * 10_000_000: 1}):
        with pytest.raises(TooLargeError):
            to_json(bomb, 1_000)
        assert readable(bomb, 1_000).endswith("(cut)")
    assert watch.processor_s() < 0.5
