"""The searches of one question; the only definition of what may be searched."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from nexent_gql.adapters.search_elasticsearch.client import Item
from nexent_gql.ports.search_index import CANDIDATES, SearchFilter, SearchQuery

KEYWORD_HITS = 2 * CANDIDATES
"""Elasticsearch ranks by frequencies of all tenants, so more hits are scored again than are kept."""
_EXPLORED = 4 * CANDIDATES
_FIELDS = ["chunk_id", "knowledge_base_id", "document_id", "version_id", "put_id", "space", "length", "tokens"]


def statistics(tenant_id: UUID, query: SearchQuery, terms: Sequence[str], hidden: Collection[str]) -> Item:
    """Count the chunks of the bases and their words, and how many chunks have each of the terms."""
    return {
        "size": 0,
        "track_total_hits": True,
        "query": _of_bases(tenant_id, query, hidden),
        "aggs": {
            "length": {"sum": {"field": "length"}},
            "terms": {"filters": {"filters": [{"term": {"tokens": term}} for term in terms]}},
        },
    }


def by_words(tenant_id: UUID, query: SearchQuery, terms: Sequence[str], hidden: Collection[str]) -> Item:
    """Find chunks that have one of the terms."""
    allowed = _of_bases(tenant_id, query, hidden)["bool"]
    match = {"match": {"tokens": {"query": " ".join(terms)}}}
    filters = [*allowed["filter"], *_filters(query.filter)]
    return {"size": KEYWORD_HITS, "_source": _FIELDS, "query": {"bool": {**allowed, "filter": filters, "must": match}}}


def by_vector(
    tenant_id: UUID, query: SearchQuery, vector: tuple[str, str, Sequence[float]], hidden: Collection[str]
) -> Item:
    """Find chunks near to a vector, which is given with its space and its field."""
    space, field, values = vector
    allowed = _of_bases(tenant_id, query, hidden)["bool"]
    filters = [*allowed["filter"], *_filters(query.filter), {"term": {"space": space}}]
    return {
        "size": CANDIDATES,
        "_source": _FIELDS,
        "knn": {
            "field": field,
            "query_vector": list(values),
            "k": CANDIDATES,
            "num_candidates": _EXPLORED,
            "filter": {"bool": {**allowed, "filter": filters}},
        },
    }


def _of_bases(tenant_id: UUID, query: SearchQuery, hidden: Collection[str]) -> Mapping[str, Item]:
    """Allow chunks of the tenant and the bases, without puts that are not found (any more)."""
    allowed = [
        {"term": {"tenant_id": str(tenant_id)}},
        {"terms": {"knowledge_base_id": [str(base_id) for base_id in query.knowledge_base_ids]}},
    ]
    return {"bool": {"filter": allowed, "must_not": [{"terms": {"put_id": list(hidden)}}]}}


def _filters(search_filter: SearchFilter) -> list[Item]:
    sets = {"language": list(search_filter.languages), "media_type": list(search_filter.media_types)}
    filters: list[Item] = [{"terms": {name: values}} for name, values in sets.items() if values]
    if search_filter.document_ids is not None:
        filters.append({"terms": {"document_id": [str(document_id) for document_id in search_filter.document_ids]}})
    limits = {"gte": search_filter.created_from, "lt": search_filter.created_before}
    times = {name: _microseconds(time) for name, time in limits.items() if time is not None}
    return [*filters, {"range": {"created_us": times}}] if times else filters


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)
