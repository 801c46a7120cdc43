"""Search in Postgres with pgvector."""

from nexent_gql.adapters.search_postgres.index import PostgresSearchIndex

__all__ = ["PostgresSearchIndex"]
