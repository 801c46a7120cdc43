"""A small seed of the harness: `make chaos` runs large ones."""

import logging
import shutil

import pytest

from tests.chaos.campaign import campaign
from tests.chaos.rolling import failures, roll

SEED, RUNS = 40, 20  # faults of this seed begin after two seconds, while the runs are going on
ROLLING_RUNS = 18


@pytest.mark.timeout(420)
async def test_what_was_promised_is_kept_while_things_break() -> None:
    outcome = await campaign(SEED, RUNS, logging.getLogger(__name__).info, longest_fault_s=4.0)
    assert outcome.violations == [], f"see {outcome.folder}"
    assert outcome.history.faults
    assert len(outcome.history.finals) == RUNS
    shutil.rmtree(outcome.folder)


@pytest.mark.timeout(420)
async def test_a_rolling_restart_fails_no_request_and_loses_no_event() -> None:
    outcome = await campaign(
        SEED, ROLLING_RUNS, logging.getLogger(__name__).info, harm=roll, at_once=6, client_timeout_s=60
    )
    assert outcome.violations == [], f"see {outcome.folder}"
    assert len(outcome.history.faults) == 5
    assert outcome.history.refusals == []
    assert failures(outcome.history.troubles) == []
    assert len(outcome.history.finals) == ROLLING_RUNS
    shutil.rmtree(outcome.folder)
