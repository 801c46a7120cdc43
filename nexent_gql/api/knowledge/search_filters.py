"""Which documents a search reads, by their metadata."""

from datetime import datetime

import strawberry

from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.knowledge.conditions import (
    MAX_CONDITION_VALUES,
    MAX_CONDITIONS,
    MAX_TITLE_CHARS,
    ConditionField,
    DocumentCondition,
    MetadataFilter,
)
from nexent_gql.domains.knowledge.searching import MAX_FILTER_VALUES
from nexent_gql.ports.search_index import SearchFilter

_VALUES = f"1 to {MAX_CONDITION_VALUES}"


@strawberry.input(description="A period. Set `from`, `before` or both.")
class TimeRangeInput:
    start: datetime | None = strawberry.field(
        name="from", default=None, description="At this time or later. Null means no limit."
    )
    before: datetime | None = strawberry.field(default=None, description="Before this time. Null means no limit.")


@strawberry.input(description="A condition on an attribute of documents.")
class AttributeConditionInput:
    key: str = strawberry.field(description="Key of the attribute.")
    values: list[str] = strawberry.field(
        description=f"The document has one of these values, {_VALUES}. Upper and lower case differ."
    )


@strawberry.input(
    description="A condition on the metadata of a document. Set exactly one field. A document that lacks the value "
    "does not match.",
    one_of=True,
)
class DocumentConditionInput:
    media_types: strawberry.Maybe[list[str]] = strawberry.field(
        default=None, description=f"The content has one of these media types, {_VALUES}, such as `application/pdf`."
    )
    languages: strawberry.Maybe[list[str]] = strawberry.field(
        default=None, description=f"The text is in one of these languages, {_VALUES}, such as `en`."
    )
    authors: strawberry.Maybe[list[str]] = strawberry.field(
        default=None,
        description=f"One of its authors has one of these names, {_VALUES}, ignoring case. Of "
        "`Ada <ada@example.org>`, both parts are names.",
    )
    title_contains: strawberry.Maybe[str] = strawberry.field(
        default=None,
        description="The title, or the name of a document that states no title, contains this text, ignoring case. 1 "
        f"to {MAX_TITLE_CHARS} characters.",
    )
    attribute: strawberry.Maybe[AttributeConditionInput] = strawberry.field(
        default=None, description="An attribute has one of these values."
    )
    created: strawberry.Maybe[TimeRangeInput] = strawberry.field(
        default=None, description="The content was added in this period."
    )
    authored: strawberry.Maybe[TimeRangeInput] = strawberry.field(
        default=None, description="The document was written in this period, as it states itself."
    )

    def condition(self) -> DocumentCondition:
        """Return what the service takes."""
        if self.attribute is not None:
            attribute = self.attribute.value
            return DocumentCondition(ConditionField.ATTRIBUTE, tuple(attribute.values), attribute.key)
        if self.title_contains is not None:
            return DocumentCondition(ConditionField.TITLE_CONTAINS, (self.title_contains.value,))
        for field, period in ((ConditionField.CREATED, self.created), (ConditionField.AUTHORED, self.authored)):
            if period is not None:
                return DocumentCondition(field, start=period.value.start, before=period.value.before)
        for field, values in (
            (ConditionField.MEDIA_TYPES, self.media_types),
            (ConditionField.LANGUAGES, self.languages),
        ):
            if values is not None:
                return DocumentCondition(field, tuple(values.value))
        return DocumentCondition(ConditionField.AUTHORS, tuple(self.authors.value) if self.authors else ())


@strawberry.input(
    description="Which documents to search. A document must match every field that is set. A filter does not "
    "change the scores of keyword search."
)
class SearchFilterInput:
    document_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"IDs of Documents, at most {MAX_FILTER_VALUES}. Null and empty mean all."
    )
    languages: list[str] | None = strawberry.field(
        default=None,
        description=f"Languages such as `en`, at most {MAX_FILTER_VALUES}. Null and empty mean all, also documents "
        "whose language is unknown.",
    )
    media_types: list[str] | None = strawberry.field(
        default=None,
        description=f"Media types such as `application/pdf`, at most {MAX_FILTER_VALUES}. Null and empty mean all.",
    )
    created_from: datetime | None = strawberry.field(
        default=None, description="Documents whose content was added at this time or later. Null means all."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="Documents whose content was added before this time. Null means all."
    )
    all_of: list[DocumentConditionInput] | None = strawberry.field(
        default=None,
        description=f"Conditions that a document must all match; with `anyOf` at most {MAX_CONDITIONS}. Null and empty "
        "mean none.",
    )
    any_of: list[DocumentConditionInput] | None = strawberry.field(
        default=None, description="Conditions of which a document must match one. Null and empty mean none."
    )

    def filter(self) -> SearchFilter:
        """Return what the service takes, of what the index has."""
        ids = tuple(node_id(id_, "Document", "input", "filter", "documentIds") for id_ in self.document_ids or ())
        return SearchFilter(
            ids or None,
            tuple(self.languages or ()),
            tuple(self.media_types or ()),
            self.created_from,
            self.created_before,
        )

    def metadata(self) -> MetadataFilter:
        """Return what the service takes, of what rows have."""
        return MetadataFilter(
            tuple(condition.condition() for condition in self.all_of or ()),
            tuple(condition.condition() for condition in self.any_of or ()),
        )
