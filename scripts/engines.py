"""Get the engines that only tests need: `make engines`, or one of them: `make engines ARGS=elasticsearch`.

They go to a cache folder outside the checkout, one folder for each version, so that another checkout finds them.
Standard library only. Neither is a dependency: both are servers that tests talk to.

MinIO (AGPL-3) comes as source from the Go module proxy. Building takes about six minutes on two cores the first time.
Elasticsearch (Elastic-2.0, SSPL or AGPL-3) comes from Maven Central: 98 MB, Elastic's build for integration tests. It
lacks modules that a production server has, such as painless and reindex.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

MINIO_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
MINIO_MODULE = "github.com/minio/minio"
GO_HINT = "install Go 1.24 or newer (https://go.dev/dl/), or leave it out: tests that need MinIO are skipped then"

ELASTICSEARCH_VERSION = "8.19.9"
ELASTICSEARCH_SHA256 = "6a0603db2b0406776dcf15df248294941f310e9183ca18a219bc8c6d57546ff0"
ELASTICSEARCH_ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{ELASTICSEARCH_VERSION}:zip"
MAVEN_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
OLDEST_JAVA = 17
JAVA_HINT = (
    f"install Maven and a JDK or JRE {OLDEST_JAVA} or newer, or leave it out: "
    "tests that need Elasticsearch are skipped then"
)


def cache_folder() -> Path:
    """Return the folder of the engines, which NEXENT_ENGINES_DIR moves."""
    if configured := os.environ.get("NEXENT_ENGINES_DIR"):
        return Path(configured)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nexent-gql" / "engines"


def minio_program() -> Path:
    """Return where MinIO is, or will be."""
    return cache_folder() / f"minio-{MINIO_VERSION}" / "minio"


def elasticsearch_home() -> Path:
    """Return where Elasticsearch is, or will be."""
    return cache_folder() / f"elasticsearch-{ELASTICSEARCH_VERSION}"


def java_home() -> Path | None:
    """Return the folder of a Java that Elasticsearch runs on: by ES_JAVA_HOME, JAVA_HOME or PATH."""
    on_path = shutil.which("java")
    homes = [Path(home) for name in ("ES_JAVA_HOME", "JAVA_HOME") if (home := os.environ.get(name))]
    homes += [Path(on_path).resolve().parents[1]] if on_path else []
    return next((home for home in homes if _java_version(home / "bin" / "java") >= OLDEST_JAVA), None)


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
        process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if process.returncode != 0:
            print(f"{process.stderr[-2000:]}\nengines: MinIO could not be built", file=sys.stderr)
            return False
        target.parent.mkdir(exist_ok=True)
        (Path(folder) / "minio").replace(target)
    print(f"engines: MinIO was built in {time.monotonic() - began_at:.0f} s")
    return True


def fetch_elasticsearch() -> bool:
    """Fetch Elasticsearch unless it is there; return whether it is there, and a Java to run it, afterwards."""
    target = elasticsearch_home()
    if java_home() is None:
        print(f"engines: Elasticsearch needs Java: {JAVA_HINT}", file=sys.stderr)
        return False
    if target.exists():
        print(f"engines: Elasticsearch is in {target}")
        return True
    if shutil.which("mvn") is None:
        print(f"engines: Elasticsearch needs Maven: {JAVA_HINT}", file=sys.stderr)
        return False
    print(f"engines: fetching Elasticsearch {ELASTICSEARCH_VERSION} (98 MB)", flush=True)
    began_at = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        unpacked = _unpack_elasticsearch(Path(folder))
        if unpacked is None:
            return False
        unpacked.replace(target)
    print(f"engines: Elasticsearch was fetched in {time.monotonic() - began_at:.0f} s")
    return True


def _unpack_elasticsearch(folder: Path) -> Path | None:
    command = ["mvn", "-B", "-q", MAVEN_GOAL, f"-Dartifact={ELASTICSEARCH_ARTIFACT}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archive = folder / f"elasticsearch-{ELASTICSEARCH_VERSION}.zip"
    if not archive.exists():
        print(f"{done.stdout[-2000:]}\nengines: Elasticsearch could not be fetched", file=sys.stderr)
        return None
    with archive.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != ELASTICSEARCH_SHA256:
        print(f"engines: Elasticsearch has the SHA-256 {digest}, which is not the expected one", file=sys.stderr)
        return None
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    unpacked = folder / archive.stem
    for program in (unpacked / "bin").iterdir():
        program.chmod(0o755)
    return unpacked


def _java_version(program: Path) -> int:
    """Return the major version of a Java; 0 if it does not start."""
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    match = re.search(r'version "(\d+)', done.stderr)
    return int(match[1]) if match else 0


ENGINES: dict[str, Callable[[], bool]] = {"elasticsearch": fetch_elasticsearch, "minio": build_minio}


def main(names: list[str]) -> int:
    """Get the engines of these names, or all; return the exit status."""
    if unknown := sorted(set(names) - set(ENGINES)):
        print(f"engines: {', '.join(unknown)}: unknown; there are {', '.join(ENGINES)}", file=sys.stderr)
        return 2
    is_there = [ENGINES[name]() for name in names or ENGINES]
    return 0 if all(is_there) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
