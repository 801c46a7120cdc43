"""Logging as it was, after a test that configured it."""

import logging
from collections.abc import Generator

import pytest


@pytest.fixture
def plain_logs() -> Generator[None]:
    """Undo what the test does to logging."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
