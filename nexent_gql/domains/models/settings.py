"""Settings of models and their caches."""

from pathlib import Path

from pydantic import Field

from nexent_gql.kernel.settings import SettingsSection


class ModelSettings(SettingsSection):
    """Models and what they cost."""

    prices_file: Path | None = Field(
        default=None,
        description="A JSON file of prices, which go before those of this release; see docs/models.md.",
    )
    calls_retention_s: int | None = Field(
        default=None,
        ge=35 * 86_400,
        description="Seconds after which calls of models are replaced by sums for each day, at least 35 days. Unset "
        "means never.",
    )
    call_lease_s: float = Field(
        default=60,
        ge=1,
        description="Seconds for which what a model call holds counts without being renewed: what is reserved for it "
        "in budgets, and its place in the limits of the model (at most 30 s). After that, the process that made the "
        "call is treated as dead.",
    )
    embedding_cache_bytes: int = Field(
        default=16_000_000,
        ge=0,
        description="Bytes of vectors that Redis caches for each tenant. 0 turns the cache off.",
    )
    response_cache_bytes: int = Field(
        default=16_000_000,
        ge=0,
        description="Bytes of answers that Redis caches for each tenant, of models with `responseCacheSeconds`. 0 "
        "turns the cache off.",
    )
    embedding_cache_ttl_s: int = Field(
        default=604_800, ge=60, description="Seconds for which a cached vector is kept after its last use."
    )
