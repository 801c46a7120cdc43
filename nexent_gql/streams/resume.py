"""Where a new attempt goes on: its first seq must be above anything that a reader may have seen."""

from dataclasses import dataclass

from nexent_gql.ports.events import Entry, Stored
from nexent_gql.ports.run_events import StreamGap, encode_body

SEQ_MARGIN = 100_000
"""More entries than all attempts of a run can write together: attempt n never reaches position n times this."""


@dataclass(frozen=True, slots=True)
class Start:
    """A topic from its first position, and how many of its entries the log has."""

    entries: list[Entry]
    written: int


def resume(known: Stored, floor_seq: int, attempt: int, at_ms: int) -> Start:
    """Return the topic from its first position, with gaps where entries are lost.

    Nothing is lost when `known` is whole and reaches `floor_seq`. Otherwise readers may have seen entries that
    nobody has any more, up to an unknown one: a gap leads to where no earlier attempt can have been.

    Args:
        known: What the log had when the attempt claimed the topic.
        floor_seq: The highest seq that is durable elsewhere (a stored step), 0 when there is none.
        attempt: Whose entries the gaps are.
        at_ms: When, in epoch milliseconds.
    """
    entries = list(known.entries)
    if known.first_seq > 1 and entries:
        entries.insert(0, _gap(1, entries[0].from_seq - 1, attempt, at_ms))
    last_seq = entries[-1].seq if entries else 0
    if known.first_seq == 0 or last_seq < floor_seq:
        to_seq = max(SEQ_MARGIN * max(attempt - 1, 1), last_seq + 1, floor_seq)
        entries.append(_gap(last_seq + 1, to_seq, attempt, at_ms))
    return Start(entries, written=sum(entry.seq <= known.last_seq for entry in entries))


def _gap(from_seq: int, to_seq: int, attempt: int, at_ms: int) -> Entry:
    return Entry(to_seq, attempt, at_ms, encode_body(StreamGap(from_seq=from_seq, to_seq=to_seq)))
