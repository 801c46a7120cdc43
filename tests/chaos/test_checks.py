"""The checker finds each kind of broken promise in a history that has just that one."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.checks import CHECKS, judge
from tests.chaos.claims import CODE_KINDS, KINDS, make_claims, read_claims, write_claims
from tests.chaos.history import (
    Accepted,
    Call,
    Final,
    History,
    Injected,
    Reading,
    Refusal,
    Saturation,
    StoredDocument,
    UnservedQueue,
)
from tests.support.fake_provider import Text
from tests.support.graphql_client import Data

QUESTION, ANSWER = "q", "one two three four"
CLAIM = replace(
    make_claims(1, 1)[0],
    client_id=QUESTION,
    kind="tool",
    turns=[[Text("one two ")], [Text("three four")]],
    answer=ANSWER,
    endings=["SUCCEEDED"],
    calls=2,
)


def event(seq: int, kind: str, **fields: object) -> Data:
    return {"__typename": kind, "seq": seq, "cursor": f"c-{seq}", **fields}


EVENTS = [
    event(1, "AttemptStarted", attempt=1, text=""),
    event(2, "TextDelta", text="one two "),
    event(3, "TextDelta", text="lost"),
    event(4, "AttemptStarted", attempt=2, text="one two "),
    event(5, "TextDelta", text="three four"),
    event(6, "RunFinished", status="SUCCEEDED", error=None),
]


@pytest.fixture
def history() -> History:
    """A run whose worker was killed in its second turn, read by one live reader and one who came late."""
    return History(
        [CLAIM],
        accepted=[Accepted(QUESTION, "r1", 1.0)],
        readings=[Reading(QUESTION, "steady", deepcopy(EVENTS), connections=2, completed=True)],
        finals={QUESTION: Final(QUESTION, "SUCCEEDED", None, 2, ANSWER, deepcopy(EVENTS), 1.0, 4.0)},
        calls=[Call(QUESTION, 0, 1.0), Call(QUESTION, 1, 2.0), Call(QUESTION, 1, 3.0)],
        faults=[Injected("WORKER_KILLED", "worker-0", 2.5, 2.6)],
        questions={QUESTION: 1},
        runs={QUESTION: 1},
        documents=[StoredDocument("d", 1, ["READY"], chunks=3, indexed=3, restarts=1)],
        left={"messages in the outbox": 0},
    )


def final(history: History, **changes: object) -> None:
    history.finals[QUESTION] = replace(history.finals[QUESTION], **changes)


def live(history: History) -> list[Data]:
    return history.readings[0].events


def never_accepted(history: History) -> None:
    history.accepted.clear()


def accepted_as_two_runs(history: History) -> None:
    history.accepted.append(Accepted(QUESTION, "r2", 2.0))


def stored_twice(history: History) -> None:
    history.questions = {QUESTION: 2}


def never_answered(history: History) -> None:
    history.finals.clear()


def ended_otherwise(history: History) -> None:
    final(history, status="FAILED", error_code="WORKER_LOST")


def text_doubled(history: History) -> None:
    final(history, text=ANSWER + "four")


def text_cut(history: History) -> None:
    final(history, text=ANSWER[:-1])


def stopped_with_foreign_text(history: History) -> None:
    final(history, status="STOPPED", text="two")


def event_missing(history: History) -> None:
    del live(history)[2]


def event_twice(history: History) -> None:
    live(history).insert(2, live(history)[1])


def events_swapped(history: History) -> None:
    live(history)[1:3] = reversed(live(history)[1:3])


def end_missing(history: History) -> None:
    del live(history)[-1]


def event_behind_the_end(history: History) -> None:
    live(history).append(event(7, "TextDelta", text=""))


def never_completed(history: History) -> None:
    history.readings[0].completed = False


def zombie_wrote_over(history: History) -> None:
    live(history)[4]["text"] = "four three"


def text_told_wrong(history: History) -> None:
    live(history)[3]["text"] = "one one two "


def zombie_spoke_last(history: History) -> None:
    final(history, attempt=1)


def attempts_fall(history: History) -> None:
    live(history)[0]["attempt"] = 3


def gap_without_loss(history: History) -> None:
    live(history)[2] = event(3, "StreamGap", fromSeq=3, toSeq=3)


def called_too_often(history: History) -> None:
    history.calls.append(Call(QUESTION, 1, 4.0))


def called_again_when_done(history: History) -> None:
    history.calls[2] = Call(QUESTION, 0, 3.0)


def broken_off_by_nothing(history: History) -> None:
    final(history, status="FAILED", error_code="MODEL_STREAM_BROKEN", text="one two ")


def met_a_bug(history: History) -> None:
    history.refusals.append(Refusal("sendMessage", "INTERNAL_SERVER_ERROR"))


def worker_died(history: History) -> None:
    history.deaths.append("worker-0 ended by itself")


SATURATION = Saturation(1.0, 60.0, 2, {"SUCCEEDED": 2}, 20.0, 20.5, 8)


def newcomer_waits(history: History) -> None:
    history.saturations.append(replace(SATURATION, newcomer_start_s=40.0, overtaken=0))


def newcomer_never_starts(history: History) -> None:
    history.saturations.append(replace(SATURATION, newcomer_start_s=None))


def saturating_run_lost(history: History) -> None:
    history.saturations.append(replace(SATURATION, endings={"SUCCEEDED": 1}))


def saturating_run_failed(history: History) -> None:
    history.saturations.append(replace(SATURATION, endings={"SUCCEEDED": 1, "FAILED WORKER_LOST": 1}))


def unserved_queue_hidden(history: History) -> None:
    history.unserved.append(UnservedQueue("light", 1.0, 60.0, is_reported=False, served_after_s=1.0))


def unserved_jobs_forgotten(history: History) -> None:
    history.unserved.append(UnservedQueue("light", 1.0, 60.0, is_reported=True, served_after_s=None))


def document(history: History, **changes: object) -> None:
    history.documents[0] = replace(history.documents[0], **changes)


def document_lost(history: History) -> None:
    document(history, copies=0, endings=[], chunks=0, indexed=0)


def document_stored_twice(history: History) -> None:
    document(history, copies=2, endings=["READY", "READY"])


def document_without_end(history: History) -> None:
    document(history, endings=["PROCESSING"])


def chunk_missing(history: History) -> None:
    document(history, words_missing=1)


def chunk_twice(history: History) -> None:
    document(history, words_repeated=1)


def chunk_not_found(history: History) -> None:
    document(history, indexed=2)


def something_left(history: History) -> None:
    history.left = {"messages in the outbox": 3}


DEFECTS: dict[Callable[[History], None], str] = {
    never_accepted: "accepted_once",
    accepted_as_two_runs: "accepted_once",
    stored_twice: "accepted_once",
    never_answered: "answered",
    ended_otherwise: "answered",
    text_doubled: "text_whole",
    text_cut: "text_whole",
    stopped_with_foreign_text: "text_whole",
    event_missing: "sequences_complete",
    event_twice: "sequences_complete",
    events_swapped: "sequences_complete",
    end_missing: "sequences_complete",
    event_behind_the_end: "sequences_complete",
    never_completed: "sequences_complete",
    zombie_wrote_over: "readers_agree",
    text_told_wrong: "texts_told",
    zombie_spoke_last: "attempts_rise",
    attempts_fall: "attempts_rise",
    gap_without_loss: "gaps_explained",
    called_too_often: "calls_explained",
    called_again_when_done: "turns_in_order",
    broken_off_by_nothing: "answered",
    met_a_bug: "refusals_honest",
    worker_died: "nobody_dies",
    newcomer_waits: "newcomers_start",
    newcomer_never_starts: "newcomers_start",
    saturating_run_lost: "saturation_ends",
    saturating_run_failed: "saturation_ends",
    unserved_queue_hidden: "unserved_is_reported",
    unserved_jobs_forgotten: "unserved_is_reported",
    document_lost: "documents_whole",
    document_stored_twice: "documents_whole",
    document_without_end: "documents_whole",
    chunk_missing: "documents_whole",
    chunk_twice: "documents_whole",
    chunk_not_found: "documents_whole",
    something_left: "nothing_left",
}


def test_a_history_without_defect_passes(history: History) -> None:
    assert judge(history) == []


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_each_defect_is_found(history: History, defect: Callable[[History], None]) -> None:
    defect(history)
    assert DEFECTS[defect] in {violation.check for violation in judge(history)}


def test_each_check_is_tried() -> None:
    assert set(DEFECTS.values()) == {check.__name__ for check in CHECKS}


def test_a_wiped_redis_explains_a_gap(history: History) -> None:
    late = [*history.finals[QUESTION].events]
    final(history, events=late)
    for events in (live(history), late):
        events[2:4] = [event(100_000, "StreamGap", fromSeq=3, toSeq=100_000), event(100_001, **_kind(events[3]))]
        for number, later in enumerate(events[4:], 100_002):
            later["seq"] = number
    history.faults.append(Injected("REDIS_WIPED", "redis", 2.0, 2.0))
    assert judge(history) == []


def _kind(event: Data) -> Data:
    return {"kind": event["__typename"], "attempt": event["attempt"], "text": event["text"]}


def test_a_wipe_long_before_or_after_explains_none(history: History) -> None:
    gap_without_loss(history)
    history.faults += [Injected("REDIS_WIPED", "redis", at_s, at_s) for at_s in (-9.0, 9.0)]
    assert "gaps_explained" in {violation.check for violation in judge(history)}


def test_a_reset_of_the_provider_explains_a_broken_answer_and_a_call(history: History) -> None:
    broken = [*EVENTS[:4], event(5, "RunFinished", status="FAILED", error={"code": "MODEL_STREAM_BROKEN"})]
    final(history, status="FAILED", error_code="MODEL_STREAM_BROKEN", text="one two ", events=broken)
    live(history)[:] = broken
    history.calls.append(Call(QUESTION, 1, 3.5))
    assert {violation.check for violation in judge(history)} == {"answered", "text_whole", "calls_explained"}
    history.faults.append(Injected("PROVIDER_RESET", "provider", 3.2, 3.2))
    assert judge(history) == []


def test_a_pause_explains_that_a_turn_comes_again(history: History) -> None:
    called_again_when_done(history)
    assert {violation.check for violation in judge(history)} == {"turns_in_order"}
    history.faults.append(Injected("WORKER_PAUSED", "worker-0", 2.0, 9.0))
    assert judge(history) == []


def test_an_outage_explains_that_a_newcomer_waits(history: History) -> None:
    newcomer_waits(history)
    history.faults.append(Injected("POSTGRES_KILLED", "postgres", 42.0, 43.0))
    assert {violation.check for violation in judge(history)} == {"newcomers_start"}
    history.faults.append(Injected("POSTGRES_KILLED", "postgres", 5.0, 21.0))
    assert judge(history) == []


def test_a_killed_sandbox_explains_that_a_code_agent_is_asked_again(history: History) -> None:
    history.claims = [replace(CLAIM, agent="code")]
    called_too_often(history)
    assert {violation.check for violation in judge(history)} == {"calls_explained"}
    history.faults.append(Injected("CHILDREN_KILLED", "worker-0", 2.5, 2.6))
    assert judge(history) == []


def test_claims_are_the_seeds_and_survive_their_file(tmp_path: Path) -> None:
    claims = make_claims(7, 200)
    assert claims == make_claims(7, 200) != make_claims(8, 200)
    assert {claim.kind for claim in claims} == {*KINDS, *CODE_KINDS}
    write_claims(tmp_path / "claims.jsonl", claims)
    assert read_claims(tmp_path / "claims.jsonl") == claims
