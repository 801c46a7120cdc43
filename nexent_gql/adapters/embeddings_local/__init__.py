"""Embedding models that are inside of packages and need no key, no network and no download: the extra `local`.

`models` implements the ports, `child` keeps a process warm for each model, `tasks` is what runs in that process.
"""

from nexent_gql.adapters.embeddings_local.models import LOCAL_MODELS, LocalVectorModels, installed_models

__all__ = ["LOCAL_MODELS", "LocalVectorModels", "installed_models"]
