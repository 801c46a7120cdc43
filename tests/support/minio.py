"""A real MinIO on loopback, where `make engines` has built one."""

import importlib.util
import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
import urllib3
from pydantic import SecretStr

from nexent_gql.adapters.object_store_s3 import S3Options
from tests.support.installation import free_port

ACCESS_KEY = "test-access-key"
SECRET_KEY = SecretStr("a secret key of the tests' MinIO")
_READY_S = 60.0


@dataclass(frozen=True)
class MinioUnderTest:
    """A running MinIO."""

    endpoint: str

    def options(self, bucket: str) -> S3Options:
        """Return what the adapter needs for one bucket of it."""
        return S3Options(self.endpoint, bucket, "us-east-1", ACCESS_KEY, SECRET_KEY, timeout_s=20)


def minio_program() -> Path:
    """Return where `scripts/engines.py` builds MinIO."""
    path = Path(__file__).resolve().parents[2] / "scripts" / "engines.py"
    spec = importlib.util.spec_from_file_location("engines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Path", module.minio_program())


@contextmanager
def running_minio(folder: Path) -> Generator[MinioUnderTest]:
    """Run MinIO over a folder; skip the test where it was not built."""
    program = minio_program()
    if not program.exists():
        pytest.skip("MinIO was not built on this machine: run `make engines`, which needs the Go toolchain")
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY.get_secret_value(),
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    command = [str(program), "server", str(folder / "data"), "--address", f"127.0.0.1:{port}", "--quiet"]
    with (
        (folder / "minio.log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_ready(process, f"http://127.0.0.1:{port}", folder / "minio.log")
            yield MinioUnderTest(f"http://127.0.0.1:{port}")
        finally:
            process.kill()


def _wait_ready(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    with urllib3.PoolManager(timeout=2, retries=False) as pool:
        while True:
            try:
                if pool.request("GET", f"{endpoint}/minio/health/ready").status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
