"""Code in what a model writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.engine_smolagents.code_blocks import code_in
from nexent_gql.adapters.engine_smolagents.code_text import CodeText


def split(pieces: list[str]) -> tuple[str, str, CodeText]:
    """Return thoughts and code as they were told, and the reader."""
    thoughts: list[str] = []
    code: list[str] = []
    reader = CodeText(thoughts.append, code.append)
    for piece in pieces:
        reader.feed(piece)
    reader.finish()
    return "".join(thoughts), "".join(code), reader


@pytest.mark.parametrize(
    ("message", "thought", "code"),
    [
        ("I add. <code>\n1 + 1\n</code>", "I add. ", "1 + 1"),
        ("I add.\n<code>1 + 1</code>\nand then more", "I add.\n", "1 + 1"),
        ("<code>\n1\n</code>\nand\n<code>\n2\n</code>", "", "1"),
        ("<code>\nx = 1\n\n  y\n", "", "x = 1\n\n  y"),
        ("So:\n```python\nprint('<code>')\n```", "So:\n", "print('<code>')"),
        ("So:\n```python\nprint(1)\n```\nDone.", "So:\n```python\nprint(1)\n```\nDone.", None),
        ("<code> opens code, and </code> closes it.", "<code> opens code, and </code> closes it.", None),
        ("<code>\ns = 'a </code> b'\n# </code>\nf(s)\n</code>", "", "s = 'a </code> b'\n# </code>\nf(s)"),
        ("<code>\nf(1)\n</co", "", "f(1)"),
        ("So:\r\n```Python3\r\nf(1)\r\n```\r\n", "So:\r\n", "f(1)"),
        ("Code:\n```\nf(1)\n```<end_code>", "Code:\n", "f(1)"),
        ("So:\n```py\n1\n```", "So:\n", "1"),
        ("<code>\ns = '''```python\n1\n```'''\n</code>", "", "s = '''```python\n1\n```'''"),
        ("Empty: <code></code>", "Empty: <code></code>", None),
        (
            "No code < here, `co` and ```js\n1\n``` neither <cod",
            "No code < here, `co` and ```js\n1\n``` neither <cod",
            None,
        ),
        ("", "", None),
    ],
)
def test_splits_a_message_however_it_arrives(message: str, thought: str, code: str | None) -> None:
    for size in (1, 2, 3, 7, 1000):
        pieces = [message[at : at + size] for at in range(0, len(message), size)]
        thoughts, written, reader = split(pieces)
        assert (thoughts, reader.thought, reader.code) == (thought, thought, code)
        assert written.strip("\n") == (code or "")
    assert code_in(message) == code


@given(st.lists(st.sampled_from(["<", "co", "code>", "</", "x", "\n", "```", "python", "py\n", "<code>", "</code>"])))
def test_the_way_a_message_arrives_changes_nothing(pieces: list[str]) -> None:
    piecewise, whole = split(pieces), split(["".join(pieces)])
    assert piecewise[:2] == whole[:2]
    assert piecewise[2].normal == whole[2].normal


@given(st.text(st.sampled_from("<>/codexpy`thn \n")))
def test_what_is_kept_in_the_history_is_read_the_same_again(message: str) -> None:
    _, _, reader = split([message])
    _, _, again = split([reader.normal])
    assert (again.code, again.normal) == (reader.code, reader.normal)
    if reader.code is None:
        assert reader.normal == message
