"""`nexent-gql up`: starts and supervises engines, migrations, demo data, API and workers."""

import http.client
import os
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import click

from nexent_gql.cli.children import Child, python_command
from nexent_gql.cli.listener import DEFAULT_PORT, listen
from nexent_gql.cli.state import find_settings, save_connection, state_dir_option
from nexent_gql.embedded import AlreadyRunningError, EngineError, Engines, EngineSet, Launcher, StateLock, launcher
from nexent_gql.kernel.addresses import is_loopback
from nexent_gql.settings import Settings, SettingsError

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_WATCH_S = 0.2
_POLL_READY_S = 0.05
_MIGRATION_URL = "NEXENT_MIGRATION_DATABASE_URL"
_SIGN_UP, _REACH = "NEXENT_AUTH__SIGN_UP", "NEXENT_OUTBOUND__REACH"
_FALSE = ("false", "0", "off", "no", "f", "n")
_DATABASE_URLS = ("NEXENT_DATABASE_URL", "NEXENT_SYSTEM_DATABASE_URL", _MIGRATION_URL)


class _Stop(BaseException):
    """A signal requested the end of this process."""


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the API.")
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(1, 65_535), help="Port of the API."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Number of worker processes.")
@state_dir_option
def command(host: str, port: int, workers: int, state_dir: Path) -> None:
    """Start engines, API and workers on this machine. Ctrl-C stops them and keeps the data."""
    state_dir = state_dir.absolute()
    lock = StateLock(state_dir)
    try:
        lock.acquire()
    except AlreadyRunningError as error:
        raise click.ClickException(f"{error} Use that one, or stop it first.") from None
    with lock, _signals_stop():
        listen(host, port).close()
        url = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104 - compared only
        lock.describe({"pid": os.getpid(), "url": f"{url}/graphql"})
        with suppress(_Stop):
            _run(lock, state_dir, host, port, workers)


def _run(lock: StateLock, state_dir: Path, host: str, port: int, worker_count: int) -> None:
    """Start everything in order, supervise it until a signal, stop it in reverse order.

    The API loads its code while the engines start, and the workers load theirs while the API gets ready, to use both
    cores. Both wait to be released.
    """
    started = time.monotonic()
    engines = EngineSet(state_dir, lock=lock)
    user = launcher(state_dir)
    if user.problem is not None:
        _say(f"the API and the workers run as root, because {user.problem}")
    if user.folder_problem is not None:
        _say(f"files can't be stored, because {state_dir}/objects is out of reach: {user.folder_problem}")
    api, *workers = _processes(user, state_dir, host, port, worker_count)
    try:
        api.start()
        save_connection(state_dir, _start_engines(engines), local_defaults(host, os.environ).get(_REACH))
        for child in workers:
            child.start()
        settings = find_settings(state_dir)
        facts = _facts(settings)
        _say("migrating the database, seeding the demo tenant, starting the API")
        api.release({**facts, **_owner(settings)})
        _wait_ready(api, port, host)
        _say(f"starting {worker_count} worker process{'es' if worker_count > 1 else ''}")
        for child in workers:
            child.release(facts)
        _say(
            f"up in {time.monotonic() - started:.1f} s; the page is http://{_shown(host)}:{port}/, "
            f"logs are in {state_dir}/log"
        )
        click.echo(f"ready: http://{_shown(host)}:{port}/graphql")
        _watch(engines, [api, *workers])
    finally:
        _stop(engines, [api, *workers])


def _start_engines(engines: EngineSet) -> Engines:
    """Start the engines, unless the settings name external ones.

    Raises:
        SettingsError: Some of the three URLs of an external database are missing.
    """
    database_url, redis_url = os.environ.get("NEXENT_DATABASE_URL"), os.environ.get("NEXENT_REDIS_URL")
    missing = [name for name in _DATABASE_URLS if name not in os.environ]
    if missing and len(missing) < len(_DATABASE_URLS):
        raise SettingsError(f"{', '.join(missing)}: set it too; an external database needs all three URLs.")
    if database_url and redis_url:
        return Engines(database_url=database_url, redis_url=redis_url)
    embedded = engines.start(_say)
    return Engines(database_url=database_url or embedded.database_url, redis_url=redis_url or embedded.redis_url)


def _processes(user: Launcher, state_dir: Path, host: str, port: int, worker_count: int) -> Generator[Child]:
    """Yield the API, which prepares the database, then the workers."""
    environment = {**os.environ, "NEXENT_STATE_DIR": str(state_dir), "NEXENT_DEMO": "true"}
    environment.pop(_MIGRATION_URL, None)
    environment |= local_defaults(host, environment)
    logs = state_dir / "log"
    logs.mkdir(exist_ok=True)
    serve = python_command("nexent_gql.cli", "serve", "--prepare", "--host", host, "--port", str(port))
    if user.account is not None:
        environment |= {"HOME": "/nonexistent", "USER": user.account.name, "LOGNAME": user.account.name}
    folder = Path("/") if user.account is not None else None
    yield Child("api", user.wrap(serve), environment, logs / "api.log", folder)
    for number in range(1, worker_count + 1):
        own = {**environment, **_metrics_port(number)}
        command = user.wrap(python_command("workers"))
        yield Child(f"worker-{number}", command, own, logs / f"worker-{number}.log", folder)


def _metrics_port(number: int) -> dict[str, str]:
    """Return the port for a worker's metrics, after that of the API; None when metrics are off."""
    port = os.environ.get("NEXENT_METRICS_PORT", "")
    return {"NEXENT_METRICS_PORT": str(int(port) + number)} if port.isdecimal() else {}


def _facts(settings: Settings) -> dict[str, str]:
    """Return the environment of the API and worker processes."""
    secrets = {
        "DATABASE_URL": settings.database_url,
        "SYSTEM_DATABASE_URL": settings.system_database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key,
    }
    return {f"NEXENT_{name}": secret.get_secret_value() for name, secret in secrets.items()}


def local_defaults(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return default settings for a server on a loopback address.

    Sign-up is closed, and models on this machine and its network are allowed.
    """
    if not is_loopback(host):
        return {}
    sign_up = environment.get(_SIGN_UP) or "false"
    if sign_up.strip().lower() not in _FALSE:
        return {}
    return {_SIGN_UP: "false", _REACH: environment.get(_REACH) or "any"}


def _owner(settings: Settings) -> dict[str, str]:
    """Return the environment that only the API needs, until it has migrated the database."""
    url = settings.migration_database_url
    return {} if url is None else {_MIGRATION_URL: url.get_secret_value()}


def _wait_ready(api: Child, port: int, host: str) -> None:
    """Wait until the API reports that its dependencies answer.

    Raises:
        EngineError: The API ended or took too long; the message has the end of its log.
    """
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not _is_ready(_shown(host), port):
        if not api.is_running():
            raise EngineError(f"The API did not start; its log ends:\n{api.log_tail()}")
        if time.monotonic() > deadline:
            raise EngineError(f"The API was not ready after {_READY_TIMEOUT_S:.0f} s; see {api.log}.")
        time.sleep(_POLL_READY_S)


def _is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _watch(engines: EngineSet, children: list[Child]) -> None:
    """Restart processes and engines that die, until a signal."""
    while True:
        for name in engines.poll():
            _say(f"{name} has ended; restarting it")
            try:
                engines.restart(name)
            except EngineError as error:
                _say(f"{name} did not start: {error}")
        for child in children:
            if (status := child.revive()) is not None:
                _say(f"{child.name} has ended with status {status}; restarting it, see {child.log}")
        time.sleep(_WATCH_S)


def _stop(engines: EngineSet, children: list[Child]) -> None:
    with _signals_ignored():
        if children:
            _say("stopping")
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for child in children:
            child.wait_stopped(max(0.1, deadline - time.monotonic()))
        engines.stop()


@contextmanager
def _signals_stop() -> Generator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Stop

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _signals_ignored() -> Generator[None]:
    """Ignore further signals while stopping; each step has a time limit."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shown(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared only


def _say(message: str) -> None:
    click.echo(f"  {message}", err=True)
