"""What all chunks have in common in the schema, stored or not."""

import strawberry

from nexent_gql.api.knowledge.enums import UnitKind


@strawberry.type
class Passage:
    text: str = strawberry.field(description="Text of the passage.")
    start: int = strawberry.field(description="Position of the first character of the passage, from 0.")
    end: int = strawberry.field(description="Position after the last character of the passage.")
    headings: list[str] = strawberry.field(description="Headings above the passage, outermost first.")
    unit_kind: UnitKind | None = strawberry.field(
        description="Whether the passage is on a page, slide or sheet; null if the document has none."
    )
    unit_number: int | None = strawberry.field(description="Number of the page, slide or sheet, from 1.")
    unit_name: str | None = strawberry.field(description="Name of the sheet.")
    attachment: str | None = strawberry.field(
        description="Name of the file inside the document's file that it belongs to; null outside of such files."
    )
