"""`nexent-gql worker`."""

import json
import os
import sys

import click

QUEUES_VARIABLE = "NEXENT_JOBS__QUEUES"


@click.command("worker")
@click.option("--queues", metavar="A,B", help="Serve only these queues, instead of all.")
def command(queues: str | None) -> None:
    """Run agents and other jobs until SIGTERM; start as many as you have cores."""
    if queues is not None:
        os.environ[QUEUES_VARIABLE] = json.dumps([queue.strip() for queue in queues.split(",") if queue.strip()])
    os.execv(sys.executable, [sys.executable, "-m", "workers"])  # noqa: S606 - becomes the worker, no shell
