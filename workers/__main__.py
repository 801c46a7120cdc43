"""`python -m workers`: one worker process, until SIGTERM or Ctrl-C."""

import asyncio
import signal
import sys

import uvloop

from nexent_gql.process import follow_supervisor, protect_memory, tune_allocator, tune_collector
from nexent_gql.runtime import import_clients, open_metrics
from nexent_gql.settings import Settings, SettingsError, read_settings
from nexent_gql.telemetry import configure_logging, count_tasks
from workers.process import work


async def main(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    registry = open_metrics(settings)
    count_tasks(registry)
    tune_collector()
    await work(settings, stop, registry)


if __name__ == "__main__":
    protect_memory()
    tune_allocator()
    follow_supervisor(sys.argv[1:])
    try:
        settings = read_settings()
        configure_logging(settings.log_format, settings.log_level)
        import_clients(settings)
        uvloop.run(main(settings))
    except SettingsError as error:
        sys.exit(f"workers: {error}")
