"""Judges a history by its claims. Each check yields a sentence for every promise that was broken."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from tests.chaos.causes import (
    KILLS_CODE,
    MAKES_ZOMBIES,
    PROVIDER_BREAKS,
    PROVIDER_DELAYS,
    during,
    may_break,
    may_lose,
    within,
)
from tests.chaos.claims import Claim
from tests.chaos.history import Final, History
from tests.support.graphql_client import Data, text_of

Check = Callable[[History], Generator[str]]
BROKEN_OFF = frozenset({"FAILED MODEL_STREAM_BROKEN", "FAILED MODEL_UNREACHABLE"})
"""How a run may end whose provider was cut off."""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken."""

    check: str
    what: str


def judge(history: History) -> Sequence[Violation]:
    """Apply all checks."""
    return [Violation(check.__name__, what) for check in CHECKS for what in check(history)]


def accepted_once(history: History) -> Generator[str]:
    """Every message was accepted, and each client id is one run with one question."""
    runs: dict[str, set[str]] = {claim.client_id: set() for claim in history.claims}
    for accepted in history.accepted:
        runs[accepted.client_id].add(accepted.run_id)
    for client_id, ids in runs.items():
        if len(ids) != 1:
            yield f"{client_id} was accepted as {len(ids)} runs: {sorted(ids)}"
        stored = history.runs.get(client_id, 0), history.questions.get(client_id, 0)
        if ids and stored != (1, 1):
            yield f"{client_id} is stored as {stored[0]} runs and {stored[1]} questions"


def answered(history: History) -> Generator[str]:
    """Every accepted message has the end that was claimed, or the one that a fault of its provider explains."""
    for claim in _accepted(history):
        final = history.finals.get(claim.client_id)
        if final is None:
            yield f"{claim.client_id} has no answer at all"
        elif final.ending not in claim.endings and not _is_broken_off(history, final):
            yield f"{claim.client_id} ({claim.kind}) ended as {final.ending}, claimed was {claim.endings}"


def text_whole(history: History) -> Generator[str]:
    """The stored text is the script's: whole, or its beginning when the run was stopped or broken off."""
    for claim in _accepted(history):
        final = history.finals.get(claim.client_id)
        if final is None:
            continue
        is_part = final.status == "STOPPED" or _is_broken_off(history, final) or _is_cut_late(history, claim, final)
        right = claim.answer.startswith(final.text) if is_part else final.text == claim.answer
        if not right:
            yield f"{claim.client_id} ({claim.kind}): {_difference(claim.answer, final.text)}"


def sequences_complete(history: History) -> Generator[str]:
    """Each reader got every position once and in order, up to the one end."""
    for who, events in _readings(history):
        expected = 1
        for event in events:
            first = event["fromSeq"] if event["__typename"] == "StreamGap" else event["seq"]
            if first != expected:
                yield f"{who} got {event['__typename']} at {first}, expected was {expected}"
            expected = event["seq"] + 1
        ends = [number for number, event in enumerate(events, 1) if event["__typename"] == "RunFinished"]
        if ends != [len(events)]:
            yield f"{who} was told the end as events {ends} of {len(events)}"
    for reading in history.readings:
        if not reading.completed:
            who = f"{reading.client_id}/{reading.reader}"
            yield f"{who} was not told that its subscription is complete; it {reading.doing}"


def readers_agree(history: History) -> Generator[str]:
    """One position is one event, whoever reads it and whenever: nobody wrote over another's."""
    first_seen: dict[tuple[str, int], Data] = {}
    for who, events in _readings(history):
        client_id = who.partition("/")[0]
        for event in events:
            if event["__typename"] != "StreamGap" and first_seen.setdefault((client_id, event["seq"]), event) != event:
                yield f"{who} saw at {event['seq']} {event}, another reader {first_seen[client_id, event['seq']]}"


def texts_told(history: History) -> Generator[str]:
    """What a reader was told adds up to the stored text."""
    for who, events in _readings(history):
        final = history.finals.get(who.partition("/")[0])
        if final is not None and text_of([*events]) != final.text:
            yield f"{who} can show another text: {_difference(final.text, text_of([*events]))}"


def attempts_rise(history: History) -> Generator[str]:
    """A later attempt speaks after an earlier one, never before; the last one is the run's."""
    for who, events in _readings(history):
        attempts = [event["attempt"] for event in events if event["__typename"] == "AttemptStarted"]
        final = history.finals.get(who.partition("/")[0])
        if attempts != sorted(set(attempts)):
            yield f"{who} heard attempts {attempts}"
        elif attempts and final is not None and attempts[-1] != final.attempt:
            yield f"{who} heard attempt {attempts[-1]} end the run, the run says {final.attempt}"


def gaps_explained(history: History) -> Generator[str]:
    """Events are missing only in a later attempt, and only where a fault met that run which can lose them."""
    for who, events in _readings(history):
        final = history.finals.get(who.partition("/")[0])
        for gap in (event for event in events if event["__typename"] == "StreamGap"):
            if final is None or final.attempt == 1 or not may_lose(history, final, gap["fromSeq"]):
                yield f"{who} was told a gap that nothing explains: {gap}"


def calls_explained(history: History) -> Generator[str]:
    """The provider was asked again only for what an attempt, or a fault of the provider, left unfinished.

    That is one call for each further attempt, and one for each such fault.
    """
    call_counts = Counter(call.client_id for call in history.calls)
    for claim in _accepted(history):
        final = history.finals.get(claim.client_id)
        further = final.attempt - 1 if final is not None else 0
        per_attempt = claim.calls if len(claim.turns) == 1 else 1
        broken = may_break(history, final) if final is not None else 0
        if final is not None and claim.agent == "code":
            broken += len(during(history, final, KILLS_CODE))
        limit = claim.calls + further * per_attempt + broken
        if call_counts[claim.client_id] > limit:
            yield f"{claim.client_id} ({claim.kind}) asked {call_counts[claim.client_id]} times, {limit} are explained"


def turns_in_order(history: History) -> Generator[str]:
    """A finished turn is never asked for again, but for a paused or held attempt that still had it."""
    reached: dict[str, int] = {}
    for call in sorted(history.calls, key=lambda call: call.at_s):
        final = history.finals.get(call.client_id)
        has_zombie = final is not None and during(history, final, MAKES_ZOMBIES)
        if call.turn < reached.get(call.client_id, 0) and not has_zombie:
            yield f"{call.client_id} asked for turn {call.turn} after turn {reached[call.client_id]}"
        reached[call.client_id] = max(call.turn, reached.get(call.client_id, 0))


def newcomers_start(history: History) -> Generator[str]:
    """A tenant that comes when others have filled all slots does not wait for all runs that were sent before."""
    for saturation in history.saturations:
        start_s, at_s = saturation.newcomer_start_s, saturation.newcomer_at_s
        if start_s is None:
            yield f"the run of a newcomer at {at_s:.1f} never started"
        elif not saturation.overtaken and not within(history, at_s, start_s):
            yield f"a newcomer at {at_s:.1f} waited {start_s - at_s:.1f} s for all that others had sent before"


def saturation_ends(history: History) -> Generator[str]:
    """More work than slots is done all the same, each run once."""
    for saturation in history.saturations:
        if sum(saturation.endings.values()) != saturation.runs:
            yield f"of {saturation.runs} runs at {saturation.at_s:.1f} there are {saturation.endings}"
        may_fail = any(fault.kind in PROVIDER_BREAKS for fault in within(history, saturation.at_s, saturation.until_s))
        allowed = {"SUCCEEDED", *(BROKEN_OFF if may_fail else ())}
        if wrong := set(saturation.endings) - allowed:
            yield f"runs at {saturation.at_s:.1f} ended as {sorted(wrong)}"


def unserved_is_reported(history: History) -> Generator[str]:
    """A queue that nobody serves is reported while jobs wait in it, and they are done when somebody does."""
    for unserved in history.unserved:
        if not unserved.is_reported:
            yield f"nobody served {unserved.queue} from {unserved.at_s:.1f} on, and no server said so"
        if unserved.served_after_s is None:
            yield f"jobs of {unserved.queue} were not done after workers served it again"


def documents_whole(history: History) -> Generator[str]:
    """Every document that was sent is stored once and READY, with each word in one chunk, and searches find all."""
    for document in history.documents:
        if document.copies != 1:
            yield f"document {document.client_id} is stored {document.copies} times"
        elif document.endings != ["READY"]:
            yield f"document {document.client_id} ended as {document.endings[0]}"
        elif document.words_missing or document.words_repeated:
            lost, repeated = document.words_missing, document.words_repeated
            yield f"document {document.client_id}: {lost} words are in no chunk, {repeated} in several"
        elif document.indexed != document.chunks:
            yield f"document {document.client_id} has {document.chunks} chunks, searches find {document.indexed}"


def refusals_honest(history: History) -> Generator[str]:
    """A client that meets a fault is told which, and may try again; it never meets a bug."""
    for refusal in history.refusals:
        if refusal.code not in RETRYABLE:
            yield f"{refusal.request} was refused with {refusal.code}"


def nobody_dies(history: History) -> Generator[str]:
    """A process ends when it is told to, and never because of what it depends on."""
    yield from history.deaths


def nothing_left(history: History) -> Generator[str]:
    """When all is over, nothing waits or lies about."""
    for name, count in history.left.items():
        if count:
            yield f"{count} {name} are left"


RETRYABLE = frozenset({"DATABASE_UNAVAILABLE", "UNAVAILABLE", "SHUTTING_DOWN", "TIMEOUT"})
CHECKS: Sequence[Check] = (
    accepted_once,
    answered,
    text_whole,
    sequences_complete,
    readers_agree,
    texts_told,
    attempts_rise,
    gaps_explained,
    calls_explained,
    turns_in_order,
    newcomers_start,
    saturation_ends,
    unserved_is_reported,
    documents_whole,
    refusals_honest,
    nobody_dies,
    nothing_left,
)


def _is_broken_off(history: History, final: Final) -> bool:
    return final.ending in BROKEN_OFF and may_break(history, final) > 0


def _is_cut_late(history: History, claim: Claim, final: Final) -> bool:
    return claim.kind == "cut" and final.ending in claim.endings and bool(during(history, final, PROVIDER_DELAYS))


def _accepted(history: History) -> Generator[Claim]:
    accepted = {each.client_id for each in history.accepted}
    yield from (claim for claim in history.claims if claim.client_id in accepted)


def _readings(history: History) -> Generator[tuple[str, Sequence[Data]]]:
    """Yield `client id/reader` and events, of live readers and of one who comes when all is over."""
    for reading in history.readings:
        yield f"{reading.client_id}/{reading.reader}", reading.events
    for client_id, final in history.finals.items():
        yield f"{client_id}/late", final.events


def _difference(expected: str, actual: str) -> str:
    at = next((n for n, pair in enumerate(zip(expected, actual, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(expected), len(actual)) if at is None else at
    return f"from character {at} on {actual[at : at + 40]!r} instead of {expected[at : at + 40]!r}"
