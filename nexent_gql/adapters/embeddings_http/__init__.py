"""Embedding and reranking models behind HTTP: OpenAI's `/embeddings`, and `/rerank` as Cohere and Jina have it.

`client` sends a request and reads the reply, `embeddings` and `rerank` write the one and understand the other.
"""

from nexent_gql.adapters.embeddings_http.models import HttpVectorModels

__all__ = ["HttpVectorModels"]
