"""Build the engines that only tests need: `make engines`.

Programs go to a cache folder outside the checkout, one folder for each version, so that another checkout finds them.
Standard library only.

MinIO comes as source from the Go module proxy (AGPL-3: a server that tests talk to, not a dependency). Building takes
about six minutes on two cores the first time.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MINIO_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
MINIO_MODULE = "github.com/minio/minio"
GO_HINT = "install Go 1.24 or newer (https://go.dev/dl/), or leave it out: tests that need MinIO are skipped then"


def cache_folder() -> Path:
    """Return the folder of the engines, which NEXENT_ENGINES_DIR moves."""
    if configured := os.environ.get("NEXENT_ENGINES_DIR"):
        return Path(configured)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nexent-gql" / "engines"


def minio_program() -> Path:
    """Return where MinIO is, or will be."""
    return cache_folder() / f"minio-{MINIO_VERSION}" / "minio"


def build_minio() -> bool:
    """Build MinIO unless it is there; return whether it is there afterwards."""
    target = minio_program()
    if target.exists():
        print(f"engines: MinIO is in {target.parent}")
        return True
    if shutil.which("go") is None:
        print(f"engines: MinIO needs the Go toolchain: {GO_HINT}", file=sys.stderr)
        return False
    print(f"engines: building MinIO {MINIO_VERSION} (about six minutes on two cores)", flush=True)
    began_at = time.monotonic()
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent.parent) as folder:
        environment = {**os.environ, "GOBIN": folder, "CGO_ENABLED": "0"}
        command = ["go", "install", "-trimpath", "-ldflags", "-s -w", f"{MINIO_MODULE}@{MINIO_VERSION}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"{done.stderr[-2000:]}\nengines: MinIO could not be built", file=sys.stderr)
            return False
        target.parent.mkdir(exist_ok=True)
        (Path(folder) / "minio").replace(target)
    print(f"engines: MinIO was built in {time.monotonic() - began_at:.0f} s")
    return True


if __name__ == "__main__":
    sys.exit(0 if build_minio() else 1)
