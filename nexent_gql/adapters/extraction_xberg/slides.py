"""Reads slides: PPTX and ODP, slide by slide with the notes of each."""

import posixpath
from collections.abc import Iterator
from xml.etree import ElementTree as ET
from zipfile import ZipFile

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder
from nexent_gql.adapters.extraction_xberg.checks import check_entities, open_zip, read_member
from nexent_gql.ports.extraction import CorruptError, UnitKind

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_TITLES = {"title", "ctrTitle"}
_LEFT_OUT = {"sldNum", "dt", "ftr", "hdr", "sldImg"}

_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_MAX_REPEATED = 100


def read_pptx(data: bytes, builder: DocumentBuilder) -> int:
    """Read a PowerPoint file; return the number of its slides.

    Raises:
        CorruptError: It is damaged.
    """
    with open_zip(data) as archive:
        presentation = "ppt/presentation.xml"
        targets = {key: target for key, _, target in _relations(archive, presentation)}
        slides = [
            targets[key]
            for slide in _parse(archive, presentation).iter(f"{_P}sldId")
            if (key := slide.get(f"{_R}id", "")) in targets
        ]
        for number, path in enumerate(slides, 1):
            with builder.unit(UnitKind.SLIDE, number):
                _add_shapes(_parse(archive, path), builder)
                for _, kind, target in _relations(archive, path):
                    if kind.endswith("/notesSlide"):
                        _add_notes(_parse(archive, target), builder)
    return len(slides)


def read_odp(data: bytes, builder: DocumentBuilder) -> int:
    """Read a presentation of OpenOffice; return the number of its slides.

    Raises:
        CorruptError: It is damaged.
    """
    with open_zip(data) as archive:
        slides = list(_parse(archive, "content.xml").iter(f"{_DRAW}page"))
    for number, slide in enumerate(slides, 1):
        with builder.unit(UnitKind.SLIDE, number):
            for element in slide:
                _add_odp_element(element, builder)
    return len(slides)


def _parse(archive: ZipFile, path: str) -> ET.Element:
    content = read_member(archive, path)
    check_entities(content)
    try:
        return ET.fromstring(content)  # noqa: S314 - entities were refused, and the process has limits
    except ET.ParseError as error:
        raise CorruptError("A slide is damaged. Save the file again, or upload another copy.") from error


def _relations(archive: ZipFile, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield id, type and path of what a part refers to."""
    folder, name = posixpath.split(path)
    relations = f"{folder}/_rels/{name}.rels"
    if relations in archive.NameToInfo:
        for item in _parse(archive, relations).iter(_RELATION):
            if item.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/" + folder, item.get("Target", "")))
                yield item.get("Id", ""), item.get("Type", ""), target.lstrip("/")


def _add_shapes(slide: ET.Element, builder: DocumentBuilder) -> None:
    tree = slide.find(f"{_P}cSld/{_P}spTree")
    shapes = [] if tree is None else list(_shapes(tree))
    for shape in sorted(shapes, key=lambda shape: _placeholder(shape) not in _TITLES):  # the title first
        if _placeholder(shape) in _TITLES:
            builder.add_heading(" ".join(_paragraphs(shape)), 1)
        elif (table := shape.find(f".//{_A}tbl")) is not None:
            rows = [[" ".join(_paragraphs(cell)) for cell in row.iter(f"{_A}tc")] for row in table.iter(f"{_A}tr")]
            builder.add_table(rows)
        elif _placeholder(shape) not in _LEFT_OUT:
            builder.add_lines(_paragraphs(shape))


def _shapes(tree: ET.Element) -> Iterator[ET.Element]:
    """Yield shapes and tables in their order, those of groups too."""
    for element in tree:
        if element.tag == f"{_P}grpSp":
            yield from _shapes(element)
        elif element.tag in {f"{_P}sp", f"{_P}graphicFrame"}:
            yield element


def _placeholder(shape: ET.Element) -> str:
    placeholder = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return "" if placeholder is None else placeholder.get("type", "body")


def _paragraphs(shape: ET.Element) -> Iterator[str]:
    """Yield paragraphs; the pieces into which an editor splits a word belong together."""
    for paragraph in shape.iter(f"{_A}p"):
        pieces = [
            " " if element.tag == f"{_A}br" else element.text or ""
            for element in paragraph.iter()
            if element.tag in {f"{_A}t", f"{_A}br"}
        ]
        yield "".join(pieces)


def _add_notes(notes: ET.Element, builder: DocumentBuilder) -> None:
    for shape in notes.iter(f"{_P}sp"):
        if _placeholder(shape) not in _LEFT_OUT:
            lines = [line for line in _paragraphs(shape) if line.strip()]
            if lines:
                builder.add_lines(["Notes:", *lines])


def _add_odp_element(element: ET.Element, builder: DocumentBuilder) -> None:
    if element.tag == f"{_PRESENTATION}notes":
        lines = [line for line in _odp_paragraphs(element) if line.strip()]
        if lines:
            builder.add_lines(["Notes:", *lines])
    elif element.tag == f"{_DRAW}g":
        for child in element:
            _add_odp_element(child, builder)
    elif (table := element.find(f".//{_TABLE}table")) is not None:
        builder.add_table([_odp_cells(row) for row in table.iter(f"{_TABLE}table-row")])
    elif element.get(f"{_PRESENTATION}class") == "title":
        builder.add_heading(" ".join(_odp_paragraphs(element)), 1)
    else:
        builder.add_lines(_odp_paragraphs(element))


def _odp_cells(row: ET.Element) -> list[str]:
    cells: list[str] = []
    for cell in row:
        if cell.tag in {f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"}:
            repeated = min(int(cell.get(f"{_TABLE}number-columns-repeated", "1")), _MAX_REPEATED)
            cells += [" ".join(_odp_paragraphs(cell))] * repeated
    return cells


def _odp_paragraphs(element: ET.Element) -> Iterator[str]:
    for paragraph in element.iter():
        if paragraph.tag in {f"{_TEXT}p", f"{_TEXT}h"}:
            yield "".join(_odp_text(paragraph))


def _odp_text(element: ET.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag in {f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"}:
            yield " "
        elif child.tag not in {f"{_TEXT}p", f"{_TEXT}h"}:
            yield from _odp_text(child)
        yield child.tail or ""
