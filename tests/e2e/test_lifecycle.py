"""Starting, stopping, killing and examining an installation, as its operator does."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_provider import Text, fake_provider
from tests.support.graphql_client import Client, assert_complete, text_of
from tests.support.installation import Installation, gone, installed, run_command

VALKEY = r"^\S*valkey-server\b"
AGENTS = "{ agents(first: 5) { edges { node { id name } } } }"
MODELS = "{ models(first: 5) { edges { node { name modelName baseUrl hasApiKey } } } }"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def ask(house: Installation, text: str) -> tuple[str, str]:
    """Ask the first agent and return the run's id and the answer."""
    async with Client(house.url, house.token()) as client:
        agent = (await client.one(AGENTS))["edges"][0]["node"]["id"]
        sent = await client.send(text, agentId=agent)
        events = await client.whole(sent["run"]["id"])
        assert_complete(events)
        assert events[-1]["status"] == "SUCCEEDED"
        return sent["run"]["id"], text_of(events)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_stop_leaves_nothing_and_the_next_start_has_everything(state_dir: Path, number: int) -> None:
    house = Installation(state_dir)
    assert house.start() == f"ready: http://127.0.0.1:{house.port}/graphql"
    run_id, answer = await ask(house, "What is 12 * 34?")
    family = house.family()
    assert len(family) >= 4
    assert house.stop(number) == 0
    assert gone(family, 2) == []
    house.start()
    try:
        async with Client(house.url, house.token()) as client:
            assert (await client.run(run_id))["message"]["text"] == answer
            assert text_of(await client.whole(run_id)) == answer
    finally:
        house.stop()


@pytest.mark.timeout(180)
async def test_a_killed_supervisor_leaves_nothing_and_loses_nothing(state_dir: Path) -> None:
    house = Installation(state_dir)
    house.start()
    run_id, answer = await ask(house, "What is 12 * 34?")
    family = house.family()
    assert house.process is not None
    house.process.kill()
    house.process.wait()
    assert house.process.stdout is not None
    house.process.stdout.close()
    assert gone(family, 20) == []
    house.start()
    try:
        async with Client(house.url, house.token()) as client:
            assert (await client.run(run_id))["message"]["text"] == answer
    finally:
        house.stop()


@pytest.mark.timeout(120)
async def test_what_dies_is_brought_back(state_dir: Path) -> None:
    with installed(state_dir) as house:
        run_id, answer = await ask(house, "What is 12 * 34?")
        for words in (r"cli serve", r"-m workers", r"^\S*/postgres -D", VALKEY):
            (victim, *_) = house.processes(words)
            victim.kill()
            victim.wait(5)
        async with Client(house.url, timeout_s=60) as client:
            client.token = await _token_when_back(house)
            assert (await client.run(run_id))["message"]["text"] == answer
        _, answer = await ask(house, "What is 2 + 3?")
        assert "5" in answer


async def _token_when_back(house: Installation) -> str:
    """Wait until the database and the API answer again."""
    for _ in range(20):
        done = house.command("token")
        with socket.socket() as probe:
            if done.returncode == 0 and probe.connect_ex(("127.0.0.1", house.port)) == 0:
                return done.stdout.strip()
    raise AssertionError(house.errors())


@pytest.mark.timeout(120)
async def test_a_second_up_says_that_one_runs(house: Installation) -> None:
    again = run_command("up", "--state-dir", str(house.state_dir), "--port", "0")
    assert again.returncode != 0
    again = run_command("up", "--state-dir", str(house.state_dir), "--port", str(house.port))
    assert again.returncode == 1
    assert f"http://127.0.0.1:{house.port}/graphql" in again.stderr
    assert "Traceback" not in again.stderr


async def test_a_taken_port_is_named(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = run_command("up", "--state-dir", str(state_dir), "--port", str(port))
        assert up.returncode == 1
        assert f"Port {port} on 127.0.0.1 is taken" in up.stderr
        assert "Traceback" not in up.stderr


@pytest.mark.timeout(120)
async def test_the_model_of_the_environment_is_seeded(state_dir: Path) -> None:
    async with fake_provider(key="sk-canary-7") as provider:
        provider.script("some-model", [Text("Here I am.")])
        environment = {
            "OPENAI_API_KEY": "sk-canary-7",
            "OPENAI_BASE_URL": provider.base_url,
            "NEXENT_CHAT_MODEL": "some-model",
        }
        with installed(state_dir, environment=environment) as house:
            _, answer = await ask(house, "Hello?")
            assert answer == "Here I am."
            async with Client(house.url, await asyncio.to_thread(house.token)) as client:
                (edge,) = (await client.one(MODELS))["edges"]
            assert edge["node"]["modelName"] == "some-model"
            assert edge["node"]["hasApiKey"] is True
            doctor = await asyncio.to_thread(house.command, "doctor")
            assert doctor.returncode == 0, doctor.stdout
            provider.key = "another"
            doctor = await asyncio.to_thread(house.command, "doctor")
            assert doctor.returncode == 1
            assert "MODEL_KEY_REFUSED" in doctor.stdout
    logs = "".join(path.read_text() for path in (state_dir / "log").glob("*.log"))
    assert "sk-canary-7" not in logs


@pytest.mark.timeout(180)
async def test_the_doctor_names_what_is_wrong(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = run_command("doctor", "--state-dir", str(state_dir), "--port", str(port))
        assert found.returncode == 1
        assert f"FAIL  port: Port {port} on 127.0.0.1 is taken" in found.stdout
        assert "Nothing has been started" in found.stdout
    async with fake_provider() as provider:
        environment = {"OPENAI_BASE_URL": provider.base_url, "NEXENT_CHAT_MODEL": "m"}
        provider.script("m", [Text("Hi.")])
        with installed(state_dir, environment=environment) as house:
            well = await asyncio.to_thread(house.command, "doctor", "--port", str(house.port))
            assert (well.returncode, "FAIL" in well.stdout) == (0, False), well.stdout
            _make_database_older(house)
            behind = await asyncio.to_thread(house.command, "doctor")
            assert "FAIL  migrations: at level none" in behind.stdout
            assert "nexent-gql migrate" in behind.stdout
            _make_database_older(house, back=True)
            valkey = house.processes(VALKEY)[0]
            valkey.send_signal(signal.SIGSTOP)
            try:
                gone_redis = await asyncio.to_thread(house.command, "doctor")
            finally:
                valkey.send_signal(signal.SIGCONT)
            assert "FAIL  redis: does not answer" in gone_redis.stdout
            port = house.port
        unreachable = run_command("doctor", "--state-dir", str(state_dir), "--port", str(port))
        assert "FAIL  postgres: does not answer" in unreachable.stdout
        assert "FAIL  redis: does not answer" in unreachable.stdout
        assert "Traceback" not in unreachable.stdout + unreachable.stderr
    with installed(state_dir) as house:
        silent = await asyncio.to_thread(house.command, "doctor")
        assert "MODEL_UNREACHABLE" in silent.stdout


def _make_database_older(house: Installation, *, back: bool = False) -> None:
    """Rename the table that holds the level."""
    old, new = ("hidden", "alembic_version") if back else ("alembic_version", "hidden")
    program = (
        "import asyncio, asyncpg, sys\n"
        "async def main():\n"
        "    c = await asyncpg.connect(sys.argv[1].replace('+asyncpg', ''))\n"
        f"    await c.execute('ALTER TABLE {old} RENAME TO {new}')\n"
        "    await c.close()\n"
        "asyncio.run(main())\n"
    )
    connection = (house.state_dir / "connection.json").read_text()
    url = re.search(r'"database_url": "([^"]+)"', connection)
    assert url is not None
    subprocess.run([sys.executable, "-c", program, url[1]], check=True, timeout=30)


def test_an_unwritable_state_folder_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    for arguments in (("up",), ("doctor",)):
        found = run_command(*arguments, "--state-dir", str(blocked / "state"), "--port", "65000")
        assert found.returncode == 1
        assert str(blocked) in found.stdout + found.stderr
        assert "Traceback" not in found.stdout + found.stderr


def test_commands_without_an_installation_say_so(tmp_path: Path) -> None:
    for name in ("token", "seed", "migrate"):
        found = run_command(name, "--state-dir", str(tmp_path / "none"))
        assert found.returncode == 1
        assert "nexent-gql up --state-dir" in found.stderr


def test_nonsense_settings_are_named() -> None:
    environment = {
        "NEXENT_DATABASE_URL": "postgresql+asyncpg://x",
        "NEXENT_REDIS_URL": "redis://x",
        "NEXENT_SECRET_KEY": "short",
        "NEXENT_JOBS__LEASE_S": "soon",
    }
    found = run_command("serve", environment=environment)
    assert found.returncode == 1
    assert "NEXENT_SECRET_KEY" in found.stderr
    assert "NEXENT_JOBS__LEASE_S" in found.stderr
    assert "short" not in found.stderr.replace("shorter", "")
    assert "Traceback" not in found.stderr
    found = run_command("serve")
    assert "NEXENT_DATABASE_URL" in found.stderr


def test_help_lists_the_commands() -> None:
    text = run_command("--help").stdout
    for name in ("up", "serve", "worker", "migrate", "schema", "seed", "token", "doctor"):
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
