"""Conversations, messages and runs: they refer to each other, so they stand together.

What a relation gives is null when it was deleted meanwhile. Relations are loaded for all siblings at once.
"""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.agents.loaders import agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.conversations import values as _values
from nexent_gql.api.conversations.loaders import (
    branch_to,
    children_of,
    conversation_row,
    message_count,
    message_page,
    message_row,
    roots_of,
)
from nexent_gql.api.relay import After, Before, Connection, First, Last, connection, page_request
from nexent_gql.api.runs.loaders import latest_run_of, run_row
from nexent_gql.api.runs.values import RunFailure, TokenUsage
from nexent_gql.domains.conversations import tables
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS, MAX_TITLE_CHARS
from nexent_gql.domains.conversations.tables import MessageRole, MessageStatus, Rating, TitleSource
from nexent_gql.domains.runs import tables as run_tables
from nexent_gql.domains.runs.events import cursor
from nexent_gql.domains.runs.tables import RunStatus
from nexent_gql.kernel.page import MAX_PAGE_SIZE, Page
