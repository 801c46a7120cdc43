"""Which knowledge bases a list has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnowledgeBaseFilter:
    """Only bases whose name contains `search`; None returns all."""

    search: str | None = None
