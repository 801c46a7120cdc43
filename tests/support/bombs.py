"""Small files that try to use up the memory or the processor of whoever reads them."""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

_FOLDER = Path(__file__).parents[1] / "documents"
_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OPEN = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)
_MAIL = b"Subject: s\r\nFrom: a@b\r\nTo: b@c\r\n"
_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F 3 0 R>>%s>>>>"
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
_TEXT = b"BT /F 12 Tf 72 720 Td (Hello page) Tj ET"
_TOO_MUCH = frozenset(("LIMIT_EXCEEDED", "TOO_LARGE"))


@dataclass(frozen=True)
class Bomb:
    """How to make a file, and the codes that its reader may answer with; the empty one means a text."""

    name: str
    content: Callable[[], bytes]
    codes: frozenset[str] = _TOO_MUCH


def _zip(members: Mapping[str, bytes | str]) -> bytes:
    target = BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def _changed(path: str, name: str, content: str) -> bytes:
    """Return a document with another member."""
    with ZipFile(_FOLDER / path) as archive:
        members: dict[str, bytes | str] = {each: archive.read(each) for each in archive.namelist()}
    return _zip({**members, name: content})


def _nested_zips(depth: int) -> bytes:
    content = b"0" * 1_000_000
    for _ in range(depth):
        content = _zip({f"{number}.zip": content for number in range(10)})
    return content


def _overlapping_zip(count: int) -> bytes:
    """Return an archive whose members are all the same 20 MB, and say that they are small."""
    body = bytes(20_000_000)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed, checksum = compressor.compress(body) + compressor.flush(), zlib.crc32(body)
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 33, checksum, len(packed), len(body), 1, 0)
    fields = (0x02014B50, 20, 20, 0, 8, 0, 33, checksum, len(packed), 100, 1, 0, 0, 0, 0, 0, 0)
    entries = (struct.pack("<IHHHHHHIIIHHHHHII", *fields) + b"A") * count
    start = len(local) + 1 + len(packed)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(entries), start, 0)
    return local + b"A" + packed + entries + end


def _laughs() -> bytes:
    entities = [f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10)]
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{"".join(entities)}]><x>&e9;</x>'.encode()


def _pdf(objects: Sequence[bytes]) -> bytes:
    parts, offsets, at = [b"%PDF-1.7\n"], list[int](), 9
    for number, content in enumerate(objects, 1):
        offsets.append(at)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, content))
        at += len(parts[-1])
    parts += [b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1), *(b"%010d 00000 n \n" % at for at in offsets)]
    parts.append(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, at))
    return b"".join(parts)


def _stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(content), entries, content)


def _pdf_of_pages(pages: int, others: int = 0) -> bytes:
    kids = b" ".join(b"%d 0 R" % (number + 5) for number in range(pages))
    tree = b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, kids)
    head = [b"<</Type/Catalog/Pages 2 0 R>>", tree, _FONT, _stream(_TEXT)]
    return _pdf([*head, *[_PAGE % b""] * pages, *[b"<</A 1>>"] * others])


def _pdf_of_forms(depth: int) -> bytes:
    """Return a page that draws a form three times, which draws another one three times, and so on."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[5 0 R]>>", _FONT, _stream(b"/X Do")]
    objects.append(_PAGE % b"/XObject<</X 6 0 R>>")
    for number in range(7, depth + 7):
        resources = b"/Resources<</Font<</F 3 0 R>>/XObject<</X %d 0 R>>>>" % number
        objects.append(_stream(b"/X Do " * 3, b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]" + resources))
    return _pdf([*objects, _stream(_TEXT, b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]/Resources<<>>")])


def _png(side: int) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(10**7)))]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def _nested_mail(depth: int) -> bytes:
    mail = _MAIL + b"\r\nHello\r\n"
    for level in range(depth):
        kind = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % level
        mail = b"%s%s--b%d\r\nContent-Type: message/rfc822\r\n\r\n%s\r\n--b%d--\r\n" % (_MAIL, kind, level, mail, level)
    return mail


def _sheet(rows: str) -> bytes:
    content = f"<worksheet {_SHEET}>{rows}</worksheet>"
    return _changed("xlsx/formats.xlsx", "xl/worksheets/sheet1.xml", content)


def _far_cells() -> bytes:
    rows = (f'<row r="{row}"><c r="A{row}"><v>1</v></c><c r="XFD{row}"><v>2</v></c></row>' for row in range(1, 5_000))
    return _sheet(f"<sheetData>{''.join(rows)}</sheetData>")


def _huge_dimension() -> bytes:
    row = '<row r="1"><c r="A1"><v>1</v></c></row>'
    return _sheet(f'<dimension ref="A1:XFD1048576"/><sheetData>{row}</sheetData>')


def _repeated_cells() -> bytes:
    repeated = 'table:number-columns-repeated="16384" office:value-type="string"'
    cell = f"<table:table-cell {repeated}><text:p>x</text:p></table:table-cell>"
    row = f'<table:table-row table:number-rows-repeated="1048576">{cell}</table:table-row>'
    body = f'<office:spreadsheet><table:table table:name="a">{row}</table:table></office:spreadsheet>'
    content = f"<office:document-content {_OPEN}><office:body>{body}</office:body></office:document-content>"
    return _changed("ods/table.ods", "content.xml", content)


def _word(body: str) -> bytes:
    return _changed(
        "docx/zh-ocr-test.docx", "word/document.xml", f"<w:document {_WORD}><w:body>{body}</w:body></w:document>"
    )


_READ = frozenset(("",))
BOMBS: Mapping[str, Bomb] = {
    "an archive of 250 MB": Bomb("a.zip", lambda: _zip({"a.txt": bytes(250_000_000)})),
    "archives in archives": Bomb("a.zip", lambda: _nested_zips(5), _READ),
    "an archive whose members overlap": Bomb("a.zip", lambda: _overlapping_zip(9_000)),
    "a document of 120 MB": Bomb("a.docx", lambda: _word(" " * 120_000_000)),
    "paragraphs in paragraphs": Bomb("a.docx", lambda: _word("<w:p>" * 100_000 + "</w:p>" * 100_000)),
    "elements in elements": Bomb("a.xml", lambda: b"<a>" * 100_000 + b"x" + b"</a>" * 100_000),
    "a million attributes": Bomb("a.xml", lambda: b"<a %s>x</a>" % b" ".join(b'a%d="x"' % n for n in range(10**6))),
    "entities of entities": Bomb("a.xml", _laughs),
    "cells that are far apart": Bomb("a.xlsx", _far_cells),
    "a sheet that claims to be huge": Bomb("a.xlsx", _huge_dimension, _READ),
    "a cell that is repeated": Bomb("a.ods", _repeated_cells),
    "a million objects": Bomb("a.pdf", lambda: _pdf_of_pages(1, others=10**6)),
    "many pages": Bomb("a.pdf", lambda: _pdf_of_pages(100_000)),
    "pages that hold themselves": Bomb(
        "a.pdf", lambda: _pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 9999999/Kids[2 0 R 2 0 R]>>"])
    ),
    "forms in forms": Bomb("a.pdf", lambda: _pdf_of_forms(20)),
    "a picture of 10 gigapixels": Bomb("a.png", lambda: _png(100_000), frozenset(("NEEDS_OCR",))),
    "blocks in blocks": Bomb("a.html", lambda: b"<html><body>" + b"<div>" * 100_000 + b"x", _READ),
    "cells that span everything": Bomb(
        "a.html", lambda: b"<html><table>" + b"<tr><td colspan=999999 rowspan=65534>x" * 1_000, _READ
    ),
    "a line of 100 MB": Bomb("a.csv", lambda: b"a,b\n" + b"x" * 10**8),
    "short rows under a long one": Bomb("a.csv", lambda: b"a," * 20_000 + b"\n" + b"x\n" * 20_000),
    "mails in mails": Bomb("a.eml", lambda: _nested_mail(1_000)),
    "a mail to 300,000 people": Bomb("a.eml", lambda: _MAIL + b"Cc: " + b"a@b, " * 300_000 + b"\r\n\r\nHello"),
}
"""By what they are."""
