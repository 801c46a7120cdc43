"""The settings that switch fast paths off, taken from the environment: `make test-plain` sets them."""

import os

from nexent_gql.api.settings import ApiSettings

FAST_PATHS = ("compiled_selections", "direct_frames")


def with_environment(settings: ApiSettings) -> ApiSettings:
    """Return `settings` with the fast paths that the environment leaves on."""
    off = [name for name in FAST_PATHS if os.environ.get(f"NEXENT_API__{name.upper()}") == "false"]
    return settings.model_copy(update=dict.fromkeys(off, False))
