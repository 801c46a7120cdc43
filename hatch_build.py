"""Brings GraphiQL's files into wheels, where npm is there to fetch them; else the page takes them from a CDN."""

import subprocess
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AssetsHook(BuildHookInterface):  # pyright: ignore[reportMissingTypeArgument]
    """Runs `scripts/fetch_assets.py` ahead of a wheel that is to be given away."""

    def initialize(self, version: str, build_data: dict[str, object]) -> None:  # noqa: ARG002 - hatch's signature
        """Fetch what is missing; an editable install does without."""
        script = Path(self.root) / "scripts" / "fetch_assets.py"
        if version == "standard" and script.exists():
            subprocess.run([sys.executable, script], check=False)
