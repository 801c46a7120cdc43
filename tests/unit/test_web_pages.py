"""Texts of web pages: nothing that a person sees is left out, however the page is built."""

import pytest

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder
from nexent_gql.adapters.extraction_xberg.web_page import read_web_page


def read(page: str) -> list[str]:
    """Return the lines of a page's text that are not empty."""
    builder = DocumentBuilder()
    read_web_page(page, builder)
    return [line for line in builder.text.split("\n") if line]


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        ("<p>One</p><div>Two</div>three<section><article>Four</article></section>", ["One", "Two", "three", "Four"]),
        ("<p>Hello <b>bold</b>\n world<br>next", ["Hello bold world", "next"]),
        ("<blockquote>Quoted</blockquote><dl><dt>Term<dd>Meaning</dl>", ["Quoted", "Term", "Meaning"]),
        ("<h2>Head\nline</h2><p>Text", ["## Head line", "Text"]),
        ("<ul><li>One<ul><li>Two</ul><li><p>Three</p></ul>", ["- One", "- Two", "- Three"]),
        ("<pre>a\n  b<br>c</pre>", ["a", "  b", "c"]),
        ("<p>&lt;tag&gt; &amp; &#8364;", ["<tag> & €"]),
        ("<img alt='A duck'><label>Name</label>", ["A duck Name"]),
    ],
)
def test_blocks_and_lines(page: str, lines: list[str]) -> None:
    assert read(page) == lines


def test_a_table_is_a_table() -> None:
    page = "<table><caption>Ducks</caption><tr><th>Name<th>Where</tr><tr><td>Teal<td>Pond<br>Marsh<p>Lake</table>"
    assert read(page) == ["Ducks", "| Name | Where |", "| --- | --- |", "| Teal | Pond Marsh Lake |"]


@pytest.mark.parametrize("page", ["<table>Text<tr><td>In", "<table><td>Text<td><tr>In</table>", "<table><tr>Text<p>In"])
def test_text_in_a_broken_table_stays(page: str) -> None:
    text = " ".join(read(page))
    assert "Text" in text
    assert "In" in text


def test_a_table_that_arranges_the_page_is_text() -> None:
    page = "<table><tr><td>Before<table><tr><td>a<td>b</table>After</td><td>Beside</td></tr></table>"
    assert read(page) == ["Before", "| a | b |", "After", "Beside"]


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>gone()</script>",
        "<style>gone</style>",
        "<div style='display: none'>gone<div>gone</div>gone</div>",
        "<span hidden>gone</span>",
        "<p style='visibility:hidden'>gone",
        "<ul><li hidden>gone<li>After</ul><div hidden>gone<b>",
        "<section><div hidden>gone<table><td>gone</section>",
        "<select><option>gone<option>gone</select>",
        "<svg><title>gone</title><path d='M0'/><text>gone</text></svg>",
        "<!-- gone -->",
    ],
)
def test_what_nobody_sees_is_left_out(hidden: str) -> None:
    lines = read(f"<p>Before</p>{hidden}</div><p>After</p>")
    assert lines[0] == "Before"
    assert lines[-1].removeprefix("- ") == "After"
    assert "gone" not in " ".join(lines)


def test_a_page_says_what_it_is() -> None:
    page = "<html lang='de-AT'><head><meta name=author content='Ann'><title> A\npage </title><body><p>Text"
    metadata = read_web_page(page, DocumentBuilder())
    assert (metadata.title, metadata.authors, metadata.language) == ("A page", ("Ann",), "de")


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<ul><li>", "<table><tr><td>", "<blockquote>"])
def test_no_depth_hides_text(tag: str) -> None:
    assert read(f"<p>First</p>{tag * 5_000}deep")[-1].removeprefix("- ") == "deep"
