"""With `NEXENT_TEST_REQUIRE=all`, a test that would be skipped fails instead: nothing is left out in silence.

`NEXENT_TEST_WITHOUT` names, separated by commas, what the machine lacks by decision. Tests whose reason to be skipped
begins with such a name are skipped all the same.
"""

import os
from collections.abc import Generator

import pytest

REQUIRED = "NEXENT_TEST_REQUIRE"
WITHOUT = "NEXENT_TEST_WITHOUT"


def _must_run(report: pytest.TestReport | pytest.CollectReport) -> bool:
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get(REQUIRED) != "all":
        return False
    absent = tuple(name.strip() for name in os.environ.get(WITHOUT, "").split(",") if name.strip())
    return not _reason(report).removeprefix("Skipped: ").startswith(absent)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = _reason(report)
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
