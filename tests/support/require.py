"""With `NEXENT_TEST_REQUIRE=all`, a test that would be skipped fails instead: nothing is left out in silence."""

import os
from collections.abc import Generator

import pytest

REQUIRED = "NEXENT_TEST_REQUIRE"


def _must_run(report: pytest.TestReport | pytest.CollectReport) -> bool:
    return report.skipped and not hasattr(report, "wasxfail") and os.environ.get(REQUIRED) == "all"


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{REQUIRED}=all does not allow this: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _must_run(report):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if _must_run(report):
        _fail(report)
    return report
