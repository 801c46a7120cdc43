"""When schedules fire."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nexent_gql.jobs.timing import MAX_FIRINGS, InvalidScheduleError, Timing, cron, every, once

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def local(timing: Timing, after: datetime, count: int) -> list[str]:
    """Return the next firings, as clocks in Berlin show them."""
    times: list[str] = []
    for _ in range(count):
        moment = timing.next_after(after)
        assert moment is not None
        assert moment.tzinfo is UTC
        times.append(f"{moment.astimezone(BERLIN):%m-%d %H:%M %Z}")
        after = moment
    return times


def test_cron_is_read_in_its_time_zone() -> None:
    assert cron("30 9 * * 1-5").next_after(NOON) == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert cron("30 9 * * MON-FRI", "Europe/Berlin").next_after(NOON) == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    assert cron("0 9 * * *", "Asia/Shanghai").next_after(NOON) == datetime(2026, 3, 2, 1, tzinfo=UTC)


def test_a_local_time_stays_the_same_when_clocks_change() -> None:
    timing = cron("0 9 * * *", "Europe/Berlin")
    assert local(timing, datetime(2026, 3, 28, tzinfo=UTC), 2) == ["03-28 09:00 CET", "03-29 09:00 CEST"]
    assert local(timing, datetime(2026, 10, 24, tzinfo=UTC), 2) == ["10-24 09:00 CEST", "10-25 09:00 CET"]


def test_a_time_that_clocks_skip_fires_once_right_after() -> None:
    timing = cron("30 2 * * *", "Europe/Berlin")
    times = local(timing, datetime(2026, 3, 28, 12, tzinfo=UTC), 2)
    assert times == ["03-29 03:00 CEST", "03-30 02:30 CEST"]


def test_a_time_that_clocks_repeat_fires_once() -> None:
    timing = cron("30 2 * * *", "Europe/Berlin")
    times = local(timing, datetime(2026, 10, 24, 12, tzinfo=UTC), 2)
    assert times == ["10-25 02:30 CEST", "10-26 02:30 CET"]


def test_every_quarter_of_an_hour_goes_on_through_both_changes() -> None:
    timing = cron("*/15 * * * *", "Europe/Berlin")
    for day in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        due = timing.due(day, day + timedelta(hours=5))
        assert due == [day + timedelta(minutes=15 * n) for n in range(21)]


def test_intervals_and_single_firings() -> None:
    assert every(90).next_after(NOON) == NOON + timedelta(seconds=90)
    assert every(90).due(NOON, NOON + timedelta(seconds=200)) == [NOON + timedelta(seconds=s) for s in (0, 90, 180)]
    assert once(NOON).next_after(NOON - timedelta(days=1)) == NOON
    assert once(NOON).next_after(NOON) is None
    assert once(NOON).due(NOON, NOON + timedelta(days=1)) == [NOON]


def test_what_is_due_after_a_long_outage_is_bounded() -> None:
    year = NOON + timedelta(days=365)
    assert every(1).due(NOON, year)[-1] == year
    assert len(every(1).due(NOON, year)) == MAX_FIRINGS
    assert cron("* * * * *").due(NOON, year)[-1] == year
    assert cron("0 12 * * *").due(NOON, year)[-1] == year


@pytest.mark.parametrize(
    "timing",
    [
        cron("* * * *"),
        cron("* * * * * *"),
        cron("61 * * * *"),
        cron("@daily"),
        cron(""),
        cron("0 0 * * *", "Europe/Nowhere"),
        cron("0 0 * * *", "../../etc/passwd"),
        cron("0 0 * * *", ""),
        cron("0 0 30 2 *"),
        every(0),
        every(-5),
        once(NOON),
    ],
    ids=repr,
)
def test_what_is_wrong_or_never_fires_is_refused(timing: Timing) -> None:
    with pytest.raises(InvalidScheduleError):
        timing.first(NOON)
