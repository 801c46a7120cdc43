"""Reads a branch: the messages from the root of a conversation to one of them."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.loaders import branch_to
from nexent_gql.api.schema.relay import page_request
from nexent_gql.domains.conversations.tables import Message
from nexent_gql.kernel.page import MAX_PAGE_SIZE

DEFAULT_BRANCH_MESSAGES = 50
BranchSize = Annotated[
    int | None,
    strawberry.argument(
        description=f"Number of messages from the end of the branch, 0 to {MAX_PAGE_SIZE}. Default "
        f"{DEFAULT_BRANCH_MESSAGES}, also for null."
    ),
]


async def load_branch(info: Info, leaf_id: UUID | None, last: int | None) -> Sequence[Message]:
    """Return the last messages of the branch that ends with `leaf_id`, oldest first.

    Raises:
        InvalidPageError: `last` is out of range.
    """
    size = page_request(None, None, DEFAULT_BRANCH_MESSAGES if last is None else last, None).size
    return await info.context.loaders[branch_to].load((leaf_id, size)) if leaf_id and size else ()
