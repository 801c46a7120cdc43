"""What pip is configured with, told to uv: uv reads neither pip.conf nor PIP_* variables.

A company's index, certificates or proxy are set once, for pip, and hold for both. What is set for uv itself wins.
"""

import os
import subprocess
from ast import literal_eval
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir
from typing import Dict

# How pip names it, and how uv does.
NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "keyring-provider": "UV_KEYRING_PROVIDER",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
# Settings that are lists: pip parts them by white space, uv by this.
GLUE = {"extra-index-url": " ", "find-links": ",", "trusted-host": " "}


def parse(listing: str) -> Dict[str, str]:
    """Read the output of `pip config list`; a command's own section wins over `global`, the environment over both."""
    values: Dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for line in listing.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section + "."):
                values[name[len(section) + 1 :]] = str(literal_eval(value))
    return values


def translate(settings: Dict[str, str]) -> Dict[str, str]:
    """Name pip's settings as uv does."""
    variables: Dict[str, str] = {}
    for name, value in settings.items():
        if name in NAMES:
            variables[NAMES[name]] = GLUE[name].join(value.split()) if name in GLUE else value
    if "UV_INDEX" in variables:
        # pip takes the best version of all indexes. Every package is pinned by hash, so that is safe for uv too.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if settings.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        variables["UV_OFFLINE"] = "1"
    return variables


@lru_cache(maxsize=None)
def uv_environment(python: str) -> Dict[str, str]:
    """Return this process's environment with the settings of `python`'s pip added under uv's names."""
    command = [python, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    environment = {**translate(parse(listing.decode(errors="replace"))), **os.environ}
    if not os.access(str(Path.home()), os.W_OK):
        # A service account's home may not exist; uv stops without a cache, where pip goes on.
        environment.setdefault("UV_CACHE_DIR", str(Path(gettempdir()) / f"uv-cache-{os.getuid()}"))
    return environment
