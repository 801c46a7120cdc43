"""Every case of `provider-cases.json` and `gateway-cases.json`: what providers send, and the right outcome."""

from collections.abc import Generator
from concurrent.futures import Future

import pytest

from nexent_gql.embedded import Engines
from tests.support.databases import Databases
from tests.support.provider_cases.campaign import FILE, campaign, load_cases
from tests.support.provider_cases.outcome import Outcome, faults_of

CASES = load_cases()
PATIENCE_S = 400

FAILING = frozenset((FILE.parent / "failing.txt").read_text().split())
"""Cases that are known to fail; each has to be taken off this list when it passes."""


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, engines: Engines, databases: Databases
) -> Generator[dict[str, Future[Outcome]]]:
    """Play the selected cases beside each other; a test waits for its own."""
    ids = {f"{request.node.name}::test_case[{name}]": name for name in CASES}
    names = [ids[key] for item in request.session.items if (key := item.nodeid.rpartition("/")[2]) in ids]
    url = databases.clone()
    with campaign(url, engines.redis_url, [CASES[name] for name in names]) as outcomes:
        yield outcomes
    databases.drop(url)


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.xfail(strict=True) if name in FAILING else ()) for name in CASES],
)
def test_case(name: str, outcomes: dict[str, Future[Outcome]]) -> None:
    case = CASES[name]
    outcome = outcomes[name].result(PATIENCE_S)
    faults = faults_of(outcome, case["expect"])
    assert not faults, "\n".join([case["title"], *faults])
