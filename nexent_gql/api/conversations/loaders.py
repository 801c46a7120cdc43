"""Rows of conversations and messages, many at once; the keys are ids that the caller was shown or asks for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, many, one
from nexent_gql.domains.conversations.tables import Message
from nexent_gql.kernel.page import Page, PageRequest

PageKey = tuple[UUID, PageRequest]
"""A conversation, and which part of its messages."""

BranchKey = tuple[UUID, int]
"""The last message of a branch, and how many of its messages."""


@many
async def children_of(context: Context, parent_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Message]]:
    """Load the children of messages, oldest first."""
    children: defaultdict[UUID, list[Message]] = defaultdict(list)
    for row in await context.services.conversations.children(context.actor, parent_ids):
        if row.parent_id is not None:
            children[row.parent_id].append(row)
    return children


@many
async def roots_of(context: Context, conversation_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Message]]:
    """Load the first messages of conversations, oldest first."""
    roots: defaultdict[UUID, list[Message]] = defaultdict(list)
    for row in await context.services.conversations.roots(context.actor, conversation_ids):
        roots[row.conversation_id].append(row)
    return roots


@one
async def message_page(context: Context, keys: Sequence[PageKey]) -> Mapping[PageKey, Page[Message]]:
    """Load pages of conversations' messages: one statement for all that ask for the same part."""
    ids_by_request: defaultdict[PageRequest, list[UUID]] = defaultdict(list)
    for conversation_id, request in keys:
        ids_by_request[request].append(conversation_id)
    pages_by_key: dict[PageKey, Page[Message]] = {}
    for request, ids in ids_by_request.items():
        pages = await context.services.conversations.message_pages(context.actor, ids, request)
        pages_by_key.update({(id_, request): page for id_, page in pages.items()})
    return pages_by_key


@one
async def message_count(context: Context, conversation_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Count the messages of conversations; those without any are left out."""
    return await context.services.conversations.message_counts(context.actor, conversation_ids)


@many
async def branch_to(context: Context, keys: Sequence[BranchKey]) -> Mapping[BranchKey, Sequence[Message]]:
    """Load the messages that lead to others, oldest first: one statement for all that ask for as many."""
    leaf_ids_by_limit: defaultdict[int, list[UUID]] = defaultdict(list)
    for leaf_id, most in keys:
        leaf_ids_by_limit[most].append(leaf_id)
    branches_by_key: dict[BranchKey, Sequence[Message]] = {}
    for most, leaf_ids in leaf_ids_by_limit.items():
        branches = await context.services.conversations.branches(context.actor, leaf_ids, most)
        branches_by_key.update({(leaf_id, most): rows for leaf_id, rows in branches.items()})
    return branches_by_key
