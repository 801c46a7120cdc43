"""Imports the tables of all domains and adapters into the metadata that migrations use."""

from nexent_gql.adapters.search_postgres import tables as search_postgres
from nexent_gql.db.base import metadata
from nexent_gql.domains.agents import tables as agents
from nexent_gql.domains.conversations import tables as conversations
from nexent_gql.domains.files import tables as files
from nexent_gql.domains.identity import tables as identity
from nexent_gql.domains.knowledge import graph_tables as knowledge_graphs
from nexent_gql.domains.knowledge import model_change_tables as knowledge_model_changes
from nexent_gql.domains.knowledge import summary_tables as knowledge_summaries
from nexent_gql.domains.knowledge import tables as knowledge
from nexent_gql.domains.models import tables as models
from nexent_gql.domains.persisted_queries import tables as persisted_queries
from nexent_gql.domains.runs import tables as runs
from nexent_gql.jobs import schedule_tables as schedules
from nexent_gql.jobs import tables as jobs

__all__ = [
    "agents",
    "conversations",
    "files",
    "identity",
    "jobs",
    "knowledge",
    "knowledge_graphs",
    "knowledge_model_changes",
    "knowledge_summaries",
    "metadata",
    "models",
    "persisted_queries",
    "runs",
    "schedules",
    "search_postgres",
]
