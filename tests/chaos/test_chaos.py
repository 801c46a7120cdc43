"""A small seed of the harness: `make chaos` runs large ones."""

import logging
import shutil

import pytest

from tests.chaos.campaign import campaign

SEED, RUNS = 5, 12


@pytest.mark.timeout(240)
async def test_what_was_promised_is_kept_while_things_break() -> None:
    outcome = await campaign(SEED, RUNS, logging.getLogger(__name__).info, longest_fault_s=4.0)
    assert outcome.violations == [], f"see {outcome.folder}"
    assert outcome.history.faults
    assert len(outcome.history.finals) == RUNS
    shutil.rmtree(outcome.folder)
