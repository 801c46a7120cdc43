"""Text that every store can carry: UTF-8 without NUL."""

from nexent_gql.kernel.json import Json

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean_text(text: str) -> str:
    """Join surrogate pairs, and replace lone surrogates and NUL, which neither JSON in UTF-8 nor Postgres can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", REPLACEMENT)


def clean(value: Json) -> Json:
    """Clean all text within a JSON value, keys included."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean(item) for key, item in value.items()}
    return value
