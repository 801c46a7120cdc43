"""Fetch GraphiQL's files from the npm registry into `nexent_gql/pages/vendor/`: `make assets`.

Each file has to have the hash that `nexent_gql/pages/assets.json` names. Standard library and npm only.
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
VENDOR = PAGES / "vendor"


def main() -> int:
    """Fetch what is missing; says so and fails where there is no npm."""
    assets = json.loads((PAGES / "assets.json").read_text())
    missing = [asset for asset in assets if not is_whole(VENDOR / Path(asset["path"]).name, asset["integrity"])]
    if not missing:
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print("assets: there is no npm, so GraphiQL's files will come from a CDN", file=sys.stderr)
        return 1
    VENDOR.mkdir(exist_ok=True)
    for package in sorted({f"{asset['package']}@{asset['version']}" for asset in missing}):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([npm, "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                for asset in missing:
                    if f"{asset['package']}@{asset['version']}" == package:
                        extract(archive, asset)
    print(f"assets: {len(missing)} files are in {VENDOR.relative_to(PAGES.parent.parent)}")
    return 0


def extract(archive: tarfile.TarFile, asset: dict[str, str]) -> None:
    """Write one file of a package, if it is the right one."""
    source = archive.extractfile(f"package/{asset['path']}")
    if source is None:
        raise SystemExit(f"assets: {asset['package']} has no {asset['path']}")
    target = VENDOR / Path(asset["path"]).name
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
