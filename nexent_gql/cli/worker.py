"""`nexent-gql worker`."""

import json
import os
import sys

import click

QUEUES_VARIABLE = "NEXENT_JOBS__QUEUES"


@click.command("worker")
@click.option("--queues", metavar="A,B", help="Queues to serve. Default: all.")
def command(queues: str | None) -> None:
    """Run agents and other jobs until SIGTERM. Start one worker for each core."""
    if queues is not None:
        os.environ[QUEUES_VARIABLE] = json.dumps([queue.strip() for queue in queues.split(",") if queue.strip()])
    os.execv(sys.executable, [sys.executable, "-m", "workers"])  # noqa: S606 - becomes the worker, no shell
