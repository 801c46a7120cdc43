"""The engines of `up`: PostgreSQL (with pgvector) and Valkey as child processes over one state folder.

Knows nothing of settings, schemas or the application: folders in, URLs out.
"""

from nexent_gql.embedded.binaries import engine_versions
from nexent_gql.embedded.engines import Engines, EngineSet
from nexent_gql.embedded.errors import AlreadyRunningError, EngineError
from nexent_gql.embedded.lock import StateLock
from nexent_gql.embedded.privileges import Launcher, launcher

__all__ = [
    "AlreadyRunningError",
    "EngineError",
    "EngineSet",
    "Engines",
    "Launcher",
    "StateLock",
    "engine_versions",
    "launcher",
]
