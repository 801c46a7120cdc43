"""The GraphQL documents of the page, which the server trusts."""

import json
from collections.abc import Mapping
from pathlib import Path

_MANIFEST = Path(__file__).parent / "documents.json"


def read_documents() -> Mapping[str, str]:
    """Return the documents of the page by their SHA-256, as `make schema` writes them."""
    return json.loads(_MANIFEST.read_text(encoding="utf-8"))
