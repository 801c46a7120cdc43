"""Firing times of schedules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from nexent_gql.kernel.errors import InvalidInputError

MAX_FIRINGS = 100
"""The most missed firings that are fired later; older ones are dropped."""

_CRON_FIELDS = 5
_MAX_STEPS = 5_000
_DENSE = timedelta(days=3)
"""The period that is examined when an expression has more than `_MAX_STEPS` firings since the last one."""


class ScheduleKind(StrEnum):
    """CRON fires by a cron expression, INTERVAL at a fixed interval, ONCE at one time."""

    CRON = "CRON"
    INTERVAL = "INTERVAL"
    ONCE = "ONCE"


class MissedFirings(StrEnum):
    """Policy for firings that are more than a minute late because no worker ran.

    SKIP drops them, FIRE_ONCE fires once for all of them, FIRE_ALL fires for each of the latest 100.
    """

    SKIP = "SKIP"
    FIRE_ONCE = "FIRE_ONCE"
    FIRE_ALL = "FIRE_ALL"


class InvalidScheduleError(InvalidInputError):
    """The expression, time zone, interval or time is invalid, or the schedule would never fire."""

    code = "SCHEDULE_INVALID"


@dataclass(frozen=True, slots=True)
class Timing:
    """When to fire; use `cron`, `every` or `once`.

    Attributes:
        kind: Decides which of the other fields applies.
        cron: Five fields: minute, hour, day of month, month, day of week.
        time_zone: IANA name of the zone in which `cron` is read. A time that the clocks skip fires right after the
            change, a time that they repeat fires once.
        interval_s: Seconds between firings.
        at: The single firing.
    """

    kind: ScheduleKind
    cron: str | None = None
    time_zone: str = "UTC"
    interval_s: int | None = None
    at: datetime | None = None

    def first(self, now: datetime) -> datetime:
        """Return the first firing of a new schedule.

        Raises:
            InvalidScheduleError: The timing is invalid, or never fires.
        """
        firing = self.next_after(now)
        if firing is None:
            raise InvalidScheduleError("This schedule would never fire.")
        return firing

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first firing after `moment`; None when there is none.

        Raises:
            InvalidScheduleError: The timing is invalid.
        """
        return next(self._after(moment), None)

    def due(self, next_at: datetime, now: datetime) -> Sequence[datetime]:
        """Return the firings from `next_at` to `now`, at most the latest `MAX_FIRINGS`."""
        firings = list(islice(takewhile(lambda firing: firing <= now, self._after(next_at)), _MAX_STEPS))
        if len(firings) == _MAX_STEPS:
            firings = list(takewhile(lambda firing: firing <= now, self._after(now - _DENSE)))
        return [next_at, *firings][-MAX_FIRINGS:]

    def _after(self, moment: datetime) -> Iterator[datetime]:
        if self.kind is ScheduleKind.CRON:
            return self._cron_after(moment)
        if self.kind is ScheduleKind.INTERVAL:
            return self._interval_after(moment)
        return iter([self.at] if self.at is not None and self.at > moment else [])

    def _cron_after(self, moment: datetime) -> Iterator[datetime]:
        try:
            local = moment.astimezone(ZoneInfo(self.time_zone))
            if self.cron is None or len(self.cron.split()) != _CRON_FIELDS:
                raise InvalidScheduleError("A cron expression has five fields: minute, hour, day, month, weekday.")
            return (firing.astimezone(UTC) for firing in CronSim(self.cron, local))
        except CronSimError as error:
            raise InvalidScheduleError(f"The cron expression is invalid: {error}.") from None
        except (ValueError, OSError, LookupError):
            raise InvalidScheduleError(f"There is no time zone {self.time_zone!r}.") from None

    def _interval_after(self, moment: datetime) -> Iterator[datetime]:
        if self.interval_s is None or self.interval_s < 1:
            raise InvalidScheduleError("The interval must be at least one second.")
        step = timedelta(seconds=self.interval_s)
        while True:
            moment += step
            yield moment


def cron(expression: str, time_zone: str = "UTC") -> Timing:
    """Fire by a cron expression, read in an IANA time zone."""
    return Timing(ScheduleKind.CRON, cron=expression, time_zone=time_zone)


def every(interval_s: int) -> Timing:
    """Fire every `interval_s` seconds."""
    return Timing(ScheduleKind.INTERVAL, interval_s=interval_s)


def once(at: datetime) -> Timing:
    """Fire once."""
    return Timing(ScheduleKind.ONCE, at=at)
