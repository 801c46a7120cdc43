"""What all chunks have in common in the schema, stored or not."""

import strawberry

from nexent_gql.api.knowledge.enums import UnitKind


@strawberry.type
class Passage:
    text: str = strawberry.field(description="The passage, literally.")
    start: int = strawberry.field(description="Offset of its first character.")
    end: int = strawberry.field(description="Offset after its last character.")
    headings: list[str] = strawberry.field(description="Headings above it, outermost first.")
    unit_kind: UnitKind | None = strawberry.field(
        description="Whether it is on a page, slide or sheet; null in documents without."
    )
    unit_number: int | None = strawberry.field(description="Number of the page, slide or sheet, from 1.")
    unit_name: str | None = strawberry.field(description="Name of the sheet.")
    attachment: str | None = strawberry.field(
        description="Name of the file inside the document's file that it belongs to; null outside of such files."
    )
