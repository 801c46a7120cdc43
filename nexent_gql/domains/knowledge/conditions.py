"""Conditions on the metadata of documents, and their rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from nexent_gql.domains.knowledge.attributes import check_key, check_values
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.text import single_line

MAX_CONDITIONS = 20
MAX_CONDITION_VALUES = 100
MAX_TITLE_CHARS = 200


class ConditionField(StrEnum):
    """What a condition compares; the value is its name in the API."""

    MEDIA_TYPES = "mediaTypes"
    LANGUAGES = "languages"
    AUTHORS = "authors"
    TITLE_CONTAINS = "titleContains"
    ATTRIBUTE = "attribute"
    CREATED = "created"
    AUTHORED = "authored"


_TIMES = (ConditionField.CREATED, ConditionField.AUTHORED)


@dataclass(frozen=True, slots=True)
class DocumentCondition:
    """A condition on documents. A document without a value does not match.

    Attributes:
        field: What it compares.
        values: A document matches if it has one of them. Of TITLE_CONTAINS the only value is a part of the title, or
            of the name where a document states no title. Letter case matters for ATTRIBUTE only.
        key: Of ATTRIBUTE: its key.
        start: Of CREATED and AUTHORED: this time or later.
        before: Of CREATED and AUTHORED: earlier than this time.
    """

    field: ConditionField
    values: tuple[str, ...] = ()
    key: str = ""
    start: datetime | None = None
    before: datetime | None = None

    def checked(self, *path: str) -> "DocumentCondition":
        """Return the condition with its texts trimmed and composed.

        Raises:
            InvalidInputError: A key or value breaks a rule; the error names it.
        """
        place = (*path, self.field)
        if self.field in _TIMES:
            return self._checked_times(place)
        if self.field is ConditionField.TITLE_CONTAINS:
            title = single_line("".join(self.values), *place, max_chars=MAX_TITLE_CHARS)
            return replace(self, values=(title,))
        if self.field is not ConditionField.ATTRIBUTE:
            return replace(self, values=check_values(self.values, *place, limit=MAX_CONDITION_VALUES))
        key = check_key(self.key, *place, "key")
        values = check_values(self.values, *place, "values", limit=MAX_CONDITION_VALUES)
        return replace(self, key=key, values=values)

    def _checked_times(self, place: tuple[str, ...]) -> "DocumentCondition":
        if self.start is None and self.before is None:
            raise InvalidInputError("Give `from`, `before` or both.", path=place)
        start, before = check_time(self.start, *place, "from"), check_time(self.before, *place, "before")
        if start is not None and before is not None and start >= before:
            raise InvalidInputError("`from` must be earlier than `before`.", path=place)
        return replace(self, start=start, before=before)


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """Which documents are searched, by their metadata.

    Attributes:
        all_of: A document must match each of these.
        any_of: And one of these, unless there are none.
    """

    all_of: tuple[DocumentCondition, ...] = ()
    any_of: tuple[DocumentCondition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.all_of or self.any_of)

    def checked(self) -> "MetadataFilter":
        """Return the filter with its texts trimmed and composed.

        Raises:
            InvalidInputError: There are too many conditions, or one breaks a rule; the error names it.
        """
        if len(self.all_of) + len(self.any_of) > MAX_CONDITIONS:
            message = f"Give at most {MAX_CONDITIONS} conditions."
            raise InvalidInputError(message, path=("filter",), limit=MAX_CONDITIONS)
        return MetadataFilter(_checked(self.all_of, "allOf"), _checked(self.any_of, "anyOf"))


def check_time(time: datetime | None, *path: str) -> datetime | None:
    """Return a time in UTC; one without an offset counts as UTC.

    Raises:
        InvalidInputError: It is out of the range of dates.
    """
    if time is None or time.tzinfo is None:
        return time and time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError("This time is out of range.", path=path) from None


def _checked(conditions: Sequence[DocumentCondition], name: str) -> tuple[DocumentCondition, ...]:
    return tuple(condition.checked("filter", name, str(number)) for number, condition in enumerate(conditions))
