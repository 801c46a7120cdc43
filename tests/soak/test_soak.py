"""A soak of seconds: everything that users do works at once and leaves nothing; `make soak` looks for what grows."""

import logging
import shutil

import pytest

from tests.soak.soak import soak

LOAD_S, ASKERS = 5.0, 3


@pytest.mark.timeout(180)
async def test_what_users_do_leaves_nothing() -> None:
    outcome = await soak(LOAD_S, logging.getLogger(__name__).info, askers=ASKERS)
    assert outcome.faults == [], f"see {outcome.folder}"
    assert set(outcome.done) >= {"runs", "connections", "pages", "uploads", "sign-ins"}
    shutil.rmtree(outcome.folder)
