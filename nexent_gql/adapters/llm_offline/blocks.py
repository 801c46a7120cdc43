"""Text between tags, such as an attached document; in linear time, whatever the text."""

from collections.abc import Iterator, Sequence

ATTACHED = ("document", "attachment", "context", "file", "passage")


def blocks_of(text: str, tags: Sequence[str] = ATTACHED) -> list[str]:
    """Return what stands between each opening tag and its closing one, in order."""
    return [text[start:end] for _, start, end, _ in spans_of(text, tags)]


def without_blocks(text: str, tags: Sequence[str] = ATTACHED) -> str:
    """Return the text that stands outside."""
    kept: list[str] = []
    at = 0
    for begin, _, _, after in spans_of(text, tags):
        kept.append(text[at:begin])
        at = after
    return "".join([*kept, text[at:]])


def spans_of(text: str, tags: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield where a block, its content, the content's end and the block's end are."""
    open_tags = set(tags)
    at = text.find("<")
    while at >= 0:
        name = next((tag for tag in open_tags if opens(text, at, tag)), None)
        start = text.find(">", at) + 1 if name else 0
        end = text.find(f"</{name}>", start) if name and start else -1
        if name and end >= 0:
            after = end + len(name) + 3
            yield at, start, end, after
            at = text.find("<", after)
            continue
        if name:
            open_tags.discard(name)  # not closed here, so not closed further on either
        at = text.find("<", at + 1)


def opens(text: str, at: int, tag: str) -> bool:
    """Tell whether the tag opens at a "<"."""
    return text.startswith(tag, at + 1) and text[at + 1 + len(tag) : at + 2 + len(tag)] in {">", " "}
