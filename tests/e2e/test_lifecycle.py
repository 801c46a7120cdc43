"""Starting, stopping and killing an installation."""

import signal
import socket
from pathlib import Path

import pytest

from tests.support.graphql_client import Client, assert_complete, text_of
from tests.support.installation import Installation, gone, installed, run_command

VALKEY = r"^\S*valkey-server\b"
AGENTS = "{ agents(first: 5) { edges { node { id name } } } }"
MODELS = "{ models(first: 5) { edges { node { name providerModel baseUrl hasApiKey } } } }"


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


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_stop_leaves_nothing_and_the_next_start_has_everything(state_dir: Path, number: int) -> None:
    with installed(state_dir) as installation:
        assert installation.ready_line == f"ready: http://127.0.0.1:{installation.port}/graphql"
        run_id, answer = await ask(installation, "What is 12 * 34?")
        family = installation.family()
        assert len(family) >= 4
        assert installation.stop(number) == 0
        assert gone(family, 2) == []
    with installed(state_dir) as installation:
        async with Client(installation.url, installation.token()) as client:
            assert (await client.run(run_id))["message"]["text"] == answer
            assert text_of(await client.whole(run_id)) == answer


@pytest.mark.timeout(180)
async def test_a_killed_supervisor_leaves_nothing_and_loses_nothing(state_dir: Path) -> None:
    with installed(state_dir) as installation:
        run_id, answer = await ask(installation, "What is 12 * 34?")
        family = installation.family()
        installation.stop(signal.SIGKILL)
        assert gone(family, 20) == []
    with installed(state_dir) as installation:
        async with Client(installation.url, installation.token()) as client:
            assert (await client.run(run_id))["message"]["text"] == answer


@pytest.mark.timeout(120)
async def test_what_dies_is_brought_back(state_dir: Path) -> None:
    with installed(state_dir) as installation:
        run_id, answer = await ask(installation, "What is 12 * 34?")
        for words in (r"cli serve", r"-m workers", r"^\S*/postgres -D", VALKEY):
            (victim, *_) = installation.processes(words)
            victim.kill()
            victim.wait(5)
        async with Client(installation.url, timeout_s=60) as client:
            client.token = await _token_when_back(installation)
            assert (await client.run(run_id))["message"]["text"] == answer
        _, answer = await ask(installation, "What is 2 + 3?")
        assert "5" in answer


async def _token_when_back(installation: Installation) -> str:
    """Wait until the database and the API answer again."""
    for _ in range(20):
        process = installation.command("token")
        with socket.socket() as probe:
            if process.returncode == 0 and probe.connect_ex(("127.0.0.1", installation.port)) == 0:
                return process.stdout.strip()
    raise AssertionError(installation.errors())


@pytest.mark.timeout(120)
async def test_a_second_up_says_that_one_runs(installation: Installation) -> None:
    again = run_command("up", "--state-dir", str(installation.state_dir), "--port", "0")
    assert again.returncode != 0
    again = run_command("up", "--state-dir", str(installation.state_dir), "--port", str(installation.port))
    assert again.returncode == 1
    assert f"http://127.0.0.1:{installation.port}/graphql" in again.stderr
    assert "Traceback" not in again.stderr


async def test_a_taken_port_is_named(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        up = run_command("up", "--state-dir", str(state_dir), "--port", str(port))
        assert up.returncode == 1
        assert f"Port {port} on 127.0.0.1 is taken" in up.stderr
        assert "Traceback" not in up.stderr
