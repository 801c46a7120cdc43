"""Time zones by their IANA names."""

from collections.abc import Mapping
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from nexent_gql.kernel.errors import InvalidInputError

MAX_NAME_CHARS = 64


def find_timezone(name: str) -> ZoneInfo | None:
    """Return a time zone by its IANA name, in any case and with blanks for underscores; None when there is none.

    The first name that is not spelled exactly reads the list of all zones, which takes some 30 ms: call this in a
    thread where an event loop must not wait.
    """
    if len(name) > MAX_NAME_CHARS:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, a folder of names
        pass
    exact = _names_by_folded_name().get(name.strip().replace(" ", "_").casefold())
    return ZoneInfo(exact) if exact is not None else None


def require_timezone(name: str, *path: str) -> str:
    """Return the exact IANA name of a time zone; see `find_timezone`. `path` names the input field.

    Raises:
        InvalidInputError: There is no such zone.
    """
    zone = find_timezone(name)
    if zone is None:
        raise InvalidInputError("This is not an IANA time zone; write for example Europe/Berlin.", path=path)
    return zone.key


@cache
def _names_by_folded_name() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()}
