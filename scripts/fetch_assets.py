"""Fetch the pages' libraries from the npm registry: `make assets`.

Each file has to have the hash that `nexent_gql/pages/assets.json` names. The libraries of the chat page are committed
in `nexent_gql/pages/libraries/`, because `make up` works without npm; the others go to `nexent_gql/pages/vendor/`.
Standard library and npm only.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PAGES = Path(__file__).resolve().parent.parent / "nexent_gql" / "pages"
LIBRARIES = PAGES / "libraries"
VENDOR = PAGES / "vendor"


def main() -> int:
    """Fetch what is missing; says so and fails where there is no npm."""
    assets = json.loads((PAGES / "assets.json").read_text())
    missing = [asset for asset in assets if not is_whole(place(asset), asset["integrity"])]
    if not missing:
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print(
            "assets: there is no npm, so GraphiQL's files will come from a CDN and formulas stay source text",
            file=sys.stderr,
        )
        return 1
    VENDOR.mkdir(exist_ok=True)
    for package in sorted({f"{asset['package']}@{asset['version']}" for asset in missing}):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([npm, "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                for asset in missing:
                    if f"{asset['package']}@{asset['version']}" == package:
                        extract(archive, asset)
    print(f"assets: fetched {len(missing)} files")
    return 0


def place(asset: dict[str, str]) -> Path:
    """Return where the file belongs."""
    return (LIBRARIES if asset["page"] == "chat" else VENDOR) / asset["name"]


def extract(archive: tarfile.TarFile, asset: dict[str, str]) -> None:
    """Write one file of a package, if it is the right one."""
    source = archive.extractfile(f"package/{asset['path']}")
    if source is None:
        raise SystemExit(f"assets: {asset['package']} has no {asset['path']}")
    target = place(asset)
    target.write_bytes(source.read())
    if not is_whole(target, asset["integrity"]):
        target.unlink()
        raise SystemExit(f"assets: {asset['path']} of {asset['package']} has another hash than assets.json says")


def is_whole(path: Path, integrity: str) -> bool:
    """Tell whether a file is there, with the hash it has to have."""
    return path.is_file() and sri(path.read_bytes()) == integrity


def sri(data: bytes) -> str:
    """Return the hash as browsers check it."""
    return f"sha384-{base64.b64encode(hashlib.sha384(data).digest()).decode()}"


if __name__ == "__main__":
    sys.exit(main())
