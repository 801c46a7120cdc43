"""The clients of `clients/` against the running server; their connections are lost on purpose, in mid-answer."""

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx2

from tests.e2e.conftest import Scenario
from tests.support.fake_provider import Text
from tests.support.installation import Installation
from tests.support.node import NODE, ROOT, TYPESCRIPT, copied, node
from tests.support.tcp_fault_proxy import TcpFaultProxy

ANSWER = "The first half of the answer comes before the connection is lost, the second half comes after it."
ENOUGH_CHARS = 20


async def asked_over_a_lost_connection(
    scenario: Scenario, installation: Installation, token: str, folder: Path, *program: str
) -> str:
    """Run a client that asks the agent, break its connection in mid-answer, and return all that it printed."""
    scenario.provider.script(scenario.script, [Text(ANSWER, tokens_per_s=20)])
    proxy = TcpFaultProxy(installation.port)
    async with proxy.running():
        process = await asyncio.create_subprocess_exec(
            *program,
            scenario.script,
            "How does it go on?",
            cwd=folder,
            env={**os.environ, "GRAPHQL_URL": f"http://127.0.0.1:{proxy.port}/graphql", "GRAPHQL_TOKEN": token},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        printed = await process.stdout.readexactly(ENOUGH_CHARS)
        before = proxy.connections_accepted
        proxy.reset()
        printed += await process.stdout.read()
        assert await process.wait() == 0
        assert proxy.connections_accepted > before
    return printed.decode()


def assert_its_manifest_serves(manifest: Path, installation: Installation, token: str) -> None:
    """Register what graphql-codegen wrote, and run one of the documents by its hash alone."""
    synced = installation.command("documents", "sync", str(manifest))
    assert synced.returncode == 0, synced.stderr
    documents: dict[str, str] = json.loads(manifest.read_text())
    (document_id,) = [name for name, text in documents.items() if "FindAgent" in text]
    body = {"documentId": document_id, "variables": {"name": "Assistant"}}
    answer = httpx2.post(installation.url, json=body, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert answer.json()["data"]["agents"]["edges"] != []


async def test_the_python_client_misses_nothing(scenario: Scenario, installation: Installation, token: str) -> None:
    folder = ROOT / "clients" / "python"
    printed = await asked_over_a_lost_connection(scenario, installation, token, folder, sys.executable, "ask.py")
    assert printed == f"{ANSWER}\n"


async def test_the_typescript_client_is_generated_typed_and_misses_nothing(
    scenario: Scenario, installation: Installation, token: str, tmp_path: Path
) -> None:
    folder = copied(TYPESCRIPT, tmp_path)
    generated = node(folder, "node_modules/@graphql-codegen/cli/cjs/bin.js")
    assert generated.returncode == 0, generated.stdout + generated.stderr
    checked = node(folder, "node_modules/typescript/bin/tsc")
    assert checked.returncode == 0, checked.stdout
    assert_its_manifest_serves(folder / "src/generated/persisted-documents.json", installation, token)
    printed = await asked_over_a_lost_connection(scenario, installation, token, folder, str(NODE), "src/ask.ts")
    assert printed == f"{ANSWER}\n"
