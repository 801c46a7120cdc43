"""Schemathesis asks the running server whatever its schema allows, and what it does not allow."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.graphql_client import Client
from tests.support.installation import Installation
from tests.support.node import ROOT

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
"""Cases for each root field; `make fuzz` asks for more."""
SECONDS = 60 + 15 * EXAMPLES
SEED = 20_251
CHECKS = "not_a_server_error,response_schema_conformance,negative_data_rejection"
PASSWORD = "a quiet lighthouse"
SIGN_UP = """
mutation ($input: SignUpInput!) { signUp(input: $input) { ... on SignUpPayload { accessToken } ... on Error { code } } }
"""
CREATE_USER = """
mutation ($input: CreateUserInput!) {
  createUser(input: $input) { ... on CreateUserPayload { user { id } } ... on Error { code } }
}
"""
SIGN_IN = """
mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignInPayload { accessToken } ... on Error { code } } }
"""


@pytest.fixture
async def tokens(installation: Installation) -> dict[str, str]:
    """The owner of a tenant of its own, and a user of it who may sign out."""
    owner = {"email": "owner@fuzz.example", "displayName": "Owner", "password": PASSWORD, "tenantName": "Fuzz"}
    leaver = {"email": "leaver@fuzz.example", "displayName": "Leaver", "password": PASSWORD}
    leaver_account = {**leaver, "mustChangePassword": False}
    async with Client(installation.url) as stranger:
        token = (await stranger.one(SIGN_UP, input=owner))["accessToken"]
        async with Client(installation.url, token) as client:
            await client.one(CREATE_USER, input=leaver_account)
        signed_in = await stranger.one(SIGN_IN, input={"email": leaver["email"], "password": PASSWORD})
    return {"FUZZ_OWNER_TOKEN": token, "FUZZ_LEAVER_TOKEN": signed_in["accessToken"]}


@pytest.mark.timeout(SECONDS)
def test_schemathesis_finds_no_server_error(installation: Installation, tokens: dict[str, str], tmp_path: Path) -> None:
    arguments = ["--checks", CHECKS, "--phases", "fuzzing", "--mode", "all", "--suppress-health-check", "all"]
    bounds = ["--max-examples", str(EXAMPLES), "--seed", str(SEED), "--continue-on-failure", "--no-color"]
    header = ["--header", f"Authorization: Bearer {tokens['FUZZ_OWNER_TOKEN']}"]
    process = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", installation.url, *header, *arguments, *bounds],
        cwd=tmp_path,
        env={**os.environ, **tokens, "SCHEMATHESIS_HOOKS": "tests.foreign.fuzz", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    selected, operations, tested, generated = (int(number) for number in _numbers(process.stdout))
    assert selected == operations == tested
    assert generated >= EXAMPLES * operations
    assert "401 Unauthorized" not in process.stdout, "most of it was not heard"


def _numbers(report: str) -> tuple[str, ...]:
    """Return how many operations were selected, there are, and were tested, and how many cases were made."""
    match = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)[\s\S]*?(\d+) generated", report)
    assert match, report
    return match.groups()
