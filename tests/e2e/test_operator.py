"""Configuring and examining an installation, as its operator does."""

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
from tests.support.installation import Installation, installed, run_command

VALKEY = r"^\S*valkey-server\b"
AGENTS = "{ agents(first: 5) { edges { node { id name } } } }"
MODELS = "{ models(first: 5, kind: CHAT) { edges { node { name providerModel baseUrl hasApiKey } } } }"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def ask(installation: Installation, text: str) -> tuple[str, str]:
    """Ask the first agent and return the run's id and the answer."""
    async with Client(installation.url, installation.token()) as client:
        agent = (await client.one(AGENTS))["edges"][0]["node"]["id"]
        payload = await client.send(text, agentId=agent)
        events = await client.whole(payload["run"]["id"])
        assert_complete(events)
        assert events[-1]["status"] == "SUCCEEDED"
        return payload["run"]["id"], text_of(events)


@pytest.mark.timeout(300)  # it runs half a dozen programs
async def test_the_model_of_the_environment_is_seeded(state_dir: Path) -> None:
    async with fake_provider(key="sk-canary-7") as provider:
        provider.script("some-model", [Text("Here I am.")])
        environment = {
            "OPENAI_API_KEY": "sk-canary-7",
            "OPENAI_BASE_URL": provider.base_url,
            "NEXENT_CHAT_MODEL": "some-model",
        }
        with installed(state_dir, environment=environment) as installation:
            _, answer = await ask(installation, "Hello?")
            assert answer == "Here I am."
            async with Client(installation.url, await asyncio.to_thread(installation.token)) as client:
                edges = (await client.one(MODELS))["edges"]
            (model,) = (edge["node"] for edge in edges if edge["node"]["providerModel"] == "some-model")
            assert model["hasApiKey"] is True
            doctor = await asyncio.to_thread(installation.command, "doctor")
            assert doctor.returncode == 0, doctor.stdout
            assert "child processes: start with limits" in doctor.stdout
            await asyncio.to_thread(_pause_and_resume_a_schedule, installation)
            provider.key = "another"
            doctor = await asyncio.to_thread(installation.command, "doctor")
            assert doctor.returncode == 1
            assert "MODEL_KEY_REFUSED" in doctor.stdout
    logs = "".join(path.read_text() for path in (state_dir / "log").glob("*.log"))
    assert "sk-canary-7" not in logs


def _pause_and_resume_a_schedule(installation: Installation) -> None:
    listed = installation.command("schedules", "list")
    assert "purge-jobs  every 300 s  next " in listed.stdout
    assert "purge-sessions  17 3 * * * UTC  next " in listed.stdout
    assert "  paused  " in installation.command("schedules", "pause", "purge-jobs").stdout
    assert "every 300 s  paused" in installation.command("schedules", "list").stdout
    assert "every 300 s  next " in installation.command("schedules", "resume", "purge-jobs").stdout
    unknown = installation.command("schedules", "pause", "nothing")
    assert (unknown.returncode, "no schedule nothing" in unknown.stderr + unknown.stdout) == (1, True)


@pytest.mark.timeout(300)  # it starts two installations and a dozen programs
async def test_the_doctor_names_what_is_wrong(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = run_command("doctor", "--state-dir", str(state_dir), "--port", str(port))
        assert result.returncode == 1
        assert f"FAIL  port: Port {port} on 127.0.0.1 is taken" in result.stdout
        assert "Nothing has been started" in result.stdout
    async with fake_provider() as provider:
        environment = {"OPENAI_BASE_URL": provider.base_url, "NEXENT_CHAT_MODEL": "m"}
        provider.script("m", [Text("Hi.")])
        with installed(state_dir, environment=environment) as installation:
            well = await asyncio.to_thread(installation.command, "doctor", "--port", str(installation.port))
            assert (well.returncode, "FAIL" in well.stdout) == (0, False), well.stdout
            _make_database_older(installation)
            behind = await asyncio.to_thread(installation.command, "doctor")
            assert "FAIL  migrations: at level none" in behind.stdout
            assert "nexent-gql migrate" in behind.stdout
            _make_database_older(installation, back=True)
            valkey = installation.processes(VALKEY)[0]
            valkey.send_signal(signal.SIGSTOP)
            try:
                gone_redis = await asyncio.to_thread(installation.command, "doctor")
            finally:
                valkey.send_signal(signal.SIGCONT)
            assert "FAIL  redis: does not answer" in gone_redis.stdout
            port = installation.port
        unreachable = run_command("doctor", "--state-dir", str(state_dir), "--port", str(port))
        assert "FAIL  postgres: does not answer" in unreachable.stdout
        assert "FAIL  redis: does not answer" in unreachable.stdout
        assert "Traceback" not in unreachable.stdout + unreachable.stderr
    with installed(state_dir) as installation:
        silent = await asyncio.to_thread(installation.command, "doctor")
        assert "MODEL_UNREACHABLE" in silent.stdout


def _make_database_older(installation: Installation, *, back: bool = False) -> None:
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
    connection = (installation.state_dir / "connection.json").read_text()
    url = re.search(r'"migration_database_url": "([^"]+)"', connection)
    assert url is not None
    subprocess.run([sys.executable, "-c", program, url[1]], check=True, timeout=30)


def test_an_unwritable_state_folder_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    for arguments in (("up",), ("doctor",)):
        result = run_command(*arguments, "--state-dir", str(blocked / "state"), "--port", "65000")
        assert result.returncode == 1
        assert str(blocked) in result.stdout + result.stderr
        assert "Traceback" not in result.stdout + result.stderr


def test_commands_without_an_installation_say_so(tmp_path: Path) -> None:
    for name in ("token", "seed", "migrate"):
        result = run_command(name, "--state-dir", str(tmp_path / "none"))
        assert result.returncode == 1
        assert "nexent-gql up --state-dir" in result.stderr


def test_nonsense_settings_are_named() -> None:
    environment = {
        "NEXENT_DATABASE_URL": "postgresql+asyncpg://x",
        "NEXENT_REDIS_URL": "redis://x",
        "NEXENT_SECRET_KEY": "short",
        "NEXENT_JOBS__LEASE_S": "soon",
    }
    result = run_command("serve", environment=environment)
    assert result.returncode == 1
    assert "NEXENT_SECRET_KEY" in result.stderr
    assert "NEXENT_JOBS__LEASE_S" in result.stderr
    assert "short" not in result.stderr.replace("shorter", "")
    assert "Traceback" not in result.stderr
    result = run_command("serve")
    assert "NEXENT_DATABASE_URL" in result.stderr


def test_help_lists_the_commands() -> None:
    text = run_command("--help").stdout
    for name in ("up", "serve", "worker", "migrate", "schema", "seed", "token", "doctor"):
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
