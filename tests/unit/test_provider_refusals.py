"""Refusals as providers write them: what each means."""

import json
from pathlib import Path
from typing import Any

import pytest

from nexent_gql.adapters.llm_http.errors import error_of_status, retry_after_in
from nexent_gql.kernel.json import dumps
from nexent_gql.ports import llm

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).resolve().parents[1] / "cases" / "provider-refusals.json").read_text()
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["body"])[:80])
def test_a_refusal_is_understood(case: dict[str, Any]) -> None:
    error = error_of_status(case["status"], {}, dumps(case["body"]))
    assert type(error) is getattr(llm, case["kind"])
    assert "cause" not in error.details


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 7.66s.", 7.66),
        ("Please retry in 34.07s", 34.07),
        ("try again in 1m30s", 90),
        ("Please try again in 250ms", 0.25),
        ("Retry after 20 seconds", 20),
        ("请在30秒后重试", 30),
        ("please wait 2 minutes", 120),
        ("Please try again in 6m0s. Visit us", 360),
        ("try again later", None),
        ("wait a moment", None),
        ("try again in 3 hours", None),
    ],
)
def test_a_sentence_says_how_long_to_wait(words: str, seconds: float | None) -> None:
    assert retry_after_in(words) == seconds
    assert error_of_status(429, {}, dumps({"error": {"message": words}})).details.get("retry_after_s") == seconds
    assert (
        error_of_status(429, {"retry-after": "3"}, dumps({"error": {"message": words}})).details["retry_after_s"] == 3
    )
