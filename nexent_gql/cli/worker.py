"""`nexent-gql worker`."""

import os
import sys

import click


@click.command("worker")
def command() -> None:
    """Run agents and other jobs until SIGTERM; start as many as you have cores."""
    os.execv(sys.executable, [sys.executable, "-m", "workers"])  # noqa: S606 - becomes the worker, no shell
