"""Search in Elasticsearch 8.17 or newer."""

from nexent_gql.adapters.search_elasticsearch.client import ElasticsearchOptions
from nexent_gql.adapters.search_elasticsearch.index import ElasticsearchSearchIndex, open_elasticsearch_index

__all__ = ["ElasticsearchOptions", "ElasticsearchSearchIndex", "open_elasticsearch_index"]
