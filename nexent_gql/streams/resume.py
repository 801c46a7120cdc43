"""Where a new attempt continues: its first seq must be above anything that a reader may have seen."""

from dataclasses import dataclass

from nexent_gql.ports.events import Entry, StoredEntries
from nexent_gql.ports.run_events import StreamGap, encode_body

SEQ_MARGIN = 100_000
"""More entries than one attempt can write: attempt n never reaches position n times this."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """A topic from its first position, and how many of its entries the log has."""

    entries: list[Entry]
    written: int


def resume(stored: StoredEntries, floor_seq: int, attempt: int, at_ms: int) -> ResumePoint:
    """Return the topic from its first position, with gaps where entries are lost.

    Nothing is lost if `stored` is complete and reaches `floor_seq`. Otherwise readers may have seen entries that
    are lost now, up to an unknown position: a gap leads to a position that no earlier attempt can have reached.

    Args:
        stored: The log's entries when the attempt claimed the topic.
        floor_seq: The highest seq that is durable elsewhere (a stored step), 0 when there is none.
        attempt: The attempt that the gaps are written as.
        at_ms: The time of the gaps, in epoch milliseconds.
    """
    entries = list(stored.entries)
    if stored.first_seq > 1 and entries:
        entries.insert(0, _gap(1, entries[0].from_seq - 1, attempt, at_ms))
    last_seq = entries[-1].seq if entries else 0
    if stored.first_seq == 0 or last_seq < floor_seq:
        to_seq = max(SEQ_MARGIN * max(attempt - 1, 1), last_seq + 1, floor_seq)
        entries.append(_gap(last_seq + 1, to_seq, attempt, at_ms))
    return ResumePoint(entries, written=sum(entry.seq <= stored.last_seq for entry in entries))


def _gap(from_seq: int, to_seq: int, attempt: int, at_ms: int) -> Entry:
    return Entry(to_seq, attempt, at_ms, encode_body(StreamGap(from_seq=from_seq, to_seq=to_seq)))
