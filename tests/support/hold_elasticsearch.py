"""Runs an Elasticsearch node until no test process uses it; its arguments are FOLDER HOME JAVA.

The node does not run as root, which Elasticsearch refuses. Its home is linked into a folder that its account can read.
"""

import base64
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tests.support.elasticsearch import OPEN_PREFIX, no_users_left
from tests.support.installation import free_port

USER = "nexent"
ACCOUNT, GROUP = "nobody", "nogroup"
_HASH_ROUNDS = 1_000
_OPTIONS = """\
-Xms256m
-Xmx256m
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-Djava.io.tmpdir=${ES_TMPDIR}
-XX:+ExitOnOutOfMemoryError
20-:--add-modules=jdk.incubator.vector
"""
_ROLES = f"""\
everything:
  cluster: [monitor]
  indices: [{{names: ['*'], privileges: [all]}}]
open_indices:
  cluster: [monitor]
  indices: [{{names: ['{OPEN_PREFIX}*'], privileges: [all]}}]
"""


@dataclass(frozen=True)
class Node:
    """A node, and where it is."""

    home: Path
    java: Path
    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write its settings, and give its folder to its account."""
        shutil.copytree(self.home, self.folder / "home", copy_function=_link)
        config = self.folder / "config"
        shutil.copytree(self.home / "config", config)
        (config / "elasticsearch.yml").write_text(self._settings())
        (config / "jvm.options").write_text(_OPTIONS)
        (config / "roles.yml").write_text(_ROLES)
        (config / "users").write_text(f"{USER}:{_hashed(self.password)}\n")
        (config / "users_roles").write_text(f"everything:{USER}\n")
        for name in ("data", "logs", "tmp"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.glob("[!h]*"), *(self.folder / "config").rglob("*")):
                shutil.chown(path, ACCOUNT, GROUP)

    def start(self) -> subprocess.Popen[bytes]:
        """Start it."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "tmp"),
            "ES_PATH_CONF": str(self.folder / "config"),
            "ES_TMPDIR": str(self.folder / "tmp"),
            "ES_JAVA_HOME": str(self.java),
            "CLI_JAVA_OPTS": "-Xmx32m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        }
        command = [str(self.folder / "home" / "bin" / "elasticsearch")]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        is_root = os.geteuid() == 0
        return subprocess.Popen(
            command,
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            user=ACCOUNT if is_root else None,
            group=GROUP if is_root else None,
            extra_groups=[] if is_root else None,
        )

    def is_ready(self, pool: urllib3.PoolManager) -> bool:
        """Whether it answers to its user."""
        headers = urllib3.make_headers(basic_auth=f"{USER}:{self.password}")
        try:
            return pool.request("GET", f"{self.url}/_cluster/health", headers=headers).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _settings(self) -> str:
        values = {
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": free_port(),
            "path.data": self.folder / "data",
            "path.logs": self.folder / "logs",
            "node.processors": 1,
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "xpack.security.enabled": "true",
            "xpack.security.autoconfiguration.enabled": "false",
            "xpack.security.authc.anonymous.roles": "open_indices",
            "xpack.security.authc.anonymous.authz_exception": "false",
        }
        return "".join(f"{name}: {value}\n" for name, value in values.items())


def _hashed(password: str) -> str:
    salt = secrets.token_bytes(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS, 32)
    return f"{{PBKDF2}}{_HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def hold(shared: Path, node: Node) -> int:
    """Run a node until nobody uses it, or it ends; return its exit status."""
    ready = shared / "elasticsearch.json"
    with (shared / "elasticsearch.users").open("w") as users, node.start() as process:
        try:
            with urllib3.PoolManager(timeout=2, retries=False) as pool:
                while process.poll() is None and not node.is_ready(pool):
                    time.sleep(0.2)
            draft = ready.with_suffix(".draft")
            draft.write_text(json.dumps({"url": node.url, "user": USER, "password": node.password}))
            draft.replace(ready)
            while process.poll() is None and not no_users_left(users):
                time.sleep(0.5)
            return process.poll() or 0
        finally:
            ready.unlink(missing_ok=True)
            process.terminate()


def main() -> int:
    """Run a node over a temporary folder."""
    shared, home, java = map(Path, sys.argv[1:])
    folder = Path(tempfile.mkdtemp(prefix="nexent-test-elasticsearch-"))
    try:
        node = Node(home, java, folder)
        node.prepare()
        return hold(shared, node)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
