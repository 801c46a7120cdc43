"""The import map of the pages: an inline script, so that Content-Security-Policies name its hash."""

import re
from base64 import b64encode
from hashlib import sha256

from nexent_gql.pages.files import STATIC

_SCRIPT = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
_BEFORE, _CONTENT, _AFTER = _SCRIPT.split((STATIC / "index.html").read_text())

IMPORT_MAP = f'<script type="importmap">{_CONTENT}</script>'
IMPORT_MAP_SOURCE = f"'sha256-{b64encode(sha256(_CONTENT.encode()).digest()).decode()}'"
"""The import map as a source of `script-src`."""
