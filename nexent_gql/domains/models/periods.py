"""When the periods of budgets begin and end."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from nexent_gql.domains.models.tables import BudgetPeriod

ALL_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def period_start(period: BudgetPeriod, time_zone: str, now: datetime) -> datetime:
    """Return when the period that contains `now` began, in UTC."""
    match period:
        case BudgetPeriod.DAY:
            return _midnight(_local_day(time_zone, now), time_zone)
        case BudgetPeriod.MONTH:
            return _midnight(_local_day(time_zone, now).replace(day=1), time_zone)
        case BudgetPeriod.TOTAL:
            return ALL_TIME


def period_end(period: BudgetPeriod, time_zone: str, now: datetime) -> datetime | None:
    """Return when the next period begins, in UTC; None when there is none."""
    day = _local_day(time_zone, now)
    match period:
        case BudgetPeriod.DAY:
            return _midnight(day + timedelta(days=1), time_zone)
        case BudgetPeriod.MONTH:
            return _midnight((day.replace(day=1) + timedelta(days=32)).replace(day=1), time_zone)
        case BudgetPeriod.TOTAL:
            return None


def _local_day(time_zone: str, now: datetime) -> date:
    return now.astimezone(ZoneInfo(time_zone)).date()


def _midnight(day: date, time_zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(UTC)
