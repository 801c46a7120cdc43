"""The type of a file by its content, and what is refused as something else."""

import io
from zipfile import ZipFile, ZipInfo

import pytest

from nexent_gql.api.files.ranges import RangeNotSatisfiableError, byte_range
from nexent_gql.domains.files.content_types import Sample, content_type, is_textual, preview_text
from nexent_gql.domains.files.errors import FileTypeMismatchError

OFFICE = "application/vnd.openxmlformats-officedocument"
DOCX, XLSX = f"{OFFICE}.wordprocessingml.document", f"{OFFICE}.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)


def archive(*names: str) -> bytes:
    """Return an archive without times: its bytes are in the names of tests, which all processes have to agree on."""
    file = io.BytesIO()
    with ZipFile(file, "w") as opened:
        for name in names:
            opened.writestr(ZipInfo(name), ODT if name == "mimetype" else "<x/>")
    return file.getvalue()


WORD = archive("[Content_Types].xml", "word/document.xml")
SHEET = archive("[Content_Types].xml", "xl/workbook.xml")
CUT = WORD[:60]


def kind(content: bytes, name: str, declared: str | None = None) -> str:
    return content_type(declared, Sample(content[:65_536], content[-65_536:], name))


@pytest.mark.parametrize(
    ("content", "name", "declared", "expected"),
    [
        (WORD, "a.docx", None, DOCX),
        (WORD, "a", None, DOCX),
        (WORD, "a.doc", "application/msword", DOCX),
        (
            WORD,
            "a.docm",
            "application/vnd.ms-word.document.macroenabled.12",
            "application/vnd.ms-word.document.macroenabled.12",
        ),
        (SHEET, "a.docx", None, XLSX),
        (CUT, "a.docx", DOCX, DOCX),
        (OLE, "a.doc", None, "application/msword"),
        (OLE, "a.docx", DOCX, DOCX),
        (OLE, "a.xlsx", None, XLSX),
        (archive("mimetype", "content.xml"), "a.odt", None, ODT),
        (archive("a.txt"), "a.zip", "application/x-zip-compressed", "application/zip"),
        (archive("META-INF/MANIFEST.MF"), "a.jar", "application/java-archive", "application/java-archive"),
        ("a,ä\n".encode("utf-16"), "a.csv", None, "text/csv"),
        ("Привет, мир\n".encode("cp1251"), "a.txt", "text/plain", "text/plain"),
        ("知识库\n".encode("utf-16-le") + "plain ascii text".encode("utf-16-le"), "a.txt", None, "text/plain"),
        (b"MZ is how this text begins", "a.txt", "text/plain", "text/plain"),
        (b"{}\n{}\n", "a.jsonl", None, "application/x-ndjson"),
        (b"\x00\x01\x02\x03", "a.bin", None, "application/octet-stream"),
        (b"\x00\x01\x02\x03", "a.parquet", "application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        (b"junk\n%PDF-1.4", "a.pdf", "application/pdf", "application/pdf"),
    ],
)
def test_a_type_is_told_by_the_content(content: bytes, name: str, declared: str | None, expected: str) -> None:
    assert kind(content, name, declared) == expected


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (WORD, "application/pdf"),
        (WORD, XLSX),
        (SHEET, "application/msword"),
        (archive("a.txt"), DOCX),
        (b"plain text", ODT),
        (b"plain text", "application/msword"),
        (b"<svg onload=alert(1)>", "image/png"),
        (b"\x00\x01\x02\x03", "text/plain"),
        (b"\x7fELF\x02\x01", "text/x-python"),
        (OLE, "image/jpeg"),
    ],
)
def test_a_lie_about_the_type_is_refused(content: bytes, declared: str) -> None:
    with pytest.raises(FileTypeMismatchError) as refused:
        kind(content, "file", declared)
    assert refused.value.details["declared"] == declared


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_a_preview_is_readable_in_any_encoding_and_cut_between_characters(encoding: str) -> None:
    text = "Knowledge 知识库检索系统. " * 400
    assert preview_text(text.encode(encoding)[:8_191], 100) == text[:100]


def test_text_is_text_by_its_media_type() -> None:
    assert all(map(is_textual, ("text/csv", "application/json", "application/x-ndjson", "image/svg+xml")))
    assert not any(map(is_textual, ("application/pdf", "image/png", "application/octet-stream")))


def test_a_range_behind_the_end_can_not_be_answered() -> None:
    assert byte_range("bytes=0-0", 1) == (0, 1)
    assert byte_range(None, 1) is None
    for header in ("bytes=1-", "bytes=-0"):
        with pytest.raises(RangeNotSatisfiableError):
            byte_range(header, 1)
