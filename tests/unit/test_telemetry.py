"""Logs: one line, bounded, without secrets; metrics an operator can scrape."""

import asyncio
import json
import logging
from typing import Any

import httpx2
import pytest
import structlog

from nexent_gql.telemetry import (
    MAX_LINE_BYTES,
    CardinalityLimit,
    configure_logging,
    count_tasks,
    metrics_registry,
    redact,
    serve_metrics,
)
from tests.support.installation import free_port

pytestmark = pytest.mark.usefixtures("plain_logs")
TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def logged(capsys: pytest.CaptureFixture[str], event: str, **fields: object) -> dict[str, Any]:
    configure_logging("json", "INFO")
    structlog.get_logger("test").info(event, **fields)
    (line,) = lines(capsys)
    return json.loads(line)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ***"),
        ("postgresql://ada:hunter2@db/x", "postgresql://ada:***@db/x"),
        ("redis://:hunter2@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
        ("key sk-proj-abcdefghijkl is wrong", "key *** is wrong"),
        (f"got {TOKEN}.", "got ***."),
        ("http://127.0.0.1:5010/graphql", "http://127.0.0.1:5010/graphql"),
        ("a task is due at 10:30", "a task is due at 10:30"),
    ],
)
def test_hides_credentials_within_text(text: str, hidden: str) -> None:
    assert redact(text) == hidden


@pytest.mark.parametrize(
    "name", ["password", "Authorization", "api_key", "apiKey", "refresh_token", "secret_key", "cookie"]
)
def test_hides_fields_by_their_name(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert logged(capsys, "x", **{name: "hunter2", "inner": {name: "hunter2"}}) | {"timestamp": ""} == {
        "event": "x",
        "level": "info",
        "logger": "test",
        "timestamp": "",
        name: "***",
        "inner": {name: "***"},
    }


def test_counts_are_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert logged(capsys, "x", input_tokens=7)["input_tokens"] == 7


def test_a_trace_is_places_only(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(password: str) -> None:
        raise ValueError(f"cannot use {len(password)} characters\n[SQL: SELECT 1]\n[parameters: ('hunter2',)]")

    with pytest.raises(ValueError, match="cannot use") as caught:
        fails("hunter2")
    line = logged(capsys, "x", exc_info=caught.value)
    assert line["error"] == "ValueError: cannot use 7 characters"
    assert line["trace"][-1].endswith(" fails")
    assert "hunter2" not in json.dumps(line)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_stays_a_line_and_short(capsys: pytest.CaptureFixture[str], form: Any) -> None:  # noqa: ANN401
    configure_logging(form, "INFO")
    log = structlog.get_logger("test")
    log.info("one\n2026 INFO forged", text="\r\nforged", **{f"k{number}": "é" * 5_000 for number in range(30)})
    logging.getLogger("library").warning("from %s\nforged", "elsewhere")
    first, second = lines(capsys)
    assert len(first.encode()) <= MAX_LINE_BYTES
    assert "elsewhere" in second


def test_levels_hold_for_libraries_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "WARNING")
    structlog.get_logger("test").info("quiet")
    logging.getLogger("library").info("quiet")
    logging.getLogger("uvicorn.error").warning("heard")
    assert [json.loads(line)["event"] for line in lines(capsys)] == ["heard"]


def test_values_that_callers_choose_are_bounded() -> None:
    few = CardinalityLimit(2)
    assert [few(name) for name in ("a", "b", "a", "c", "b", "d")] == ["a", "b", "a", "other", "b", "other"]


def test_scrapes_are_answered() -> None:
    port = free_port()
    serve_metrics(metrics_registry(), "127.0.0.1", port)
    answer = httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert "process_resident_memory_bytes" in answer
    with pytest.raises(OSError, match="in use"):
        serve_metrics(metrics_registry(), "127.0.0.1", port)


async def test_tasks_of_the_loop_are_counted() -> None:
    registry = metrics_registry()
    count_tasks(registry)
    before = registry.get_sample_value("nexent_asyncio_tasks")
    assert before is not None
    waits = asyncio.create_task(asyncio.Event().wait())
    assert registry.get_sample_value("nexent_asyncio_tasks") == before + 1
    waits.cancel()
    await asyncio.wait({waits})
    assert registry.get_sample_value("nexent_asyncio_tasks") == before
