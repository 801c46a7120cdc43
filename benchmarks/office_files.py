"""Writes the files of `office/corpus.json`: sheets, slides, mails and tables, with the least that each format needs."""

import csv
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from io import StringIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZipFile

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_MEDIA = "application/vnd.openxmlformats-officedocument"


def write(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write one document of the corpus, and return its path."""
    path = folder / document["name"]
    if "sheets" in document:
        _write_sheets(path, document["sheets"])
    elif "slides" in document:
        _write_slides(path, document["slides"])
    elif "mail" in document:
        path.write_bytes(_mail(document["mail"]))
    else:
        lines = StringIO()
        csv.writer(lines).writerows(document["rows"])
        path.write_text(lines.getvalue(), encoding="utf-8")
    return path


def _mail(mail: Mapping[str, str]) -> bytes:
    message = EmailMessage()
    for name in ("subject", "from", "to", "date"):
        message[name] = mail[name]
    message.set_content(mail["body"])
    return message.as_bytes()


def _write_sheets(path: Path, sheets: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Write a workbook whose cells are inline texts."""
    numbers = range(1, len(sheets) + 1)
    names = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"/>'
        for number, name in zip(numbers, sheets, strict=True)
    )
    parts = {f"xl/worksheets/sheet{number}.xml": _sheet(rows) for number, rows in enumerate(sheets.values(), 1)}
    main = f'<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}"><sheets>{names}</sheets></workbook>'
    _write_package(path, "xl/workbook.xml", f"{_MEDIA}.spreadsheetml", ("sheet.main", "worksheet"), main, parts)


def _sheet(rows: Sequence[Sequence[str]]) -> str:
    lines = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    return f'<worksheet xmlns="{_SHEETS}"><sheetData>{lines}</sheetData></worksheet>'


def _cell(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{escape(text)}</t></is></c>'


def _write_slides(path: Path, slides: Sequence[Mapping[str, Any]]) -> None:
    ids = "".join(f'<p:sldId id="{255 + number}" r:id="rId{number}"/>' for number in range(1, len(slides) + 1))
    parts = {f"ppt/slides/slide{number}.xml": _slide(slide) for number, slide in enumerate(slides, 1)}
    main = f'<p:presentation xmlns:p="{_SLIDES}" xmlns:r="{_OFFICE}"><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>'
    media = f"{_MEDIA}.presentationml"
    _write_package(path, "ppt/presentation.xml", media, ("presentation.main", "slide"), main, parts)


def _slide(slide: Mapping[str, Any]) -> str:
    shapes = _shape(1, "title", [slide["title"]]) + _shape(2, "body", slide["lines"])
    tree = f"<p:nvGrpSpPr/><p:grpSpPr/>{shapes}"
    return f'<p:sld xmlns:p="{_SLIDES}" xmlns:a="{_DRAWING}"><p:cSld><p:spTree>{tree}</p:spTree></p:cSld></p:sld>'


def _shape(number: int, kind: str, lines: Sequence[str]) -> str:
    paragraphs = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in lines)
    names = f'<p:cNvPr id="{number}" name="{kind}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr>'
    return f"<p:sp><p:nvSpPr>{names}</p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>{paragraphs}</p:txBody></p:sp>"


def _write_package(
    path: Path, main_name: str, media: str, kinds: tuple[str, str], main: str, parts: Mapping[str, str]
) -> None:
    """Write the parts of an Office file, their types, and how they belong together."""
    folder, name = main_name.split("/")
    kind = "worksheet" if folder == "xl" else "slide"
    own = "".join(_relation(number, kind, part.removeprefix(f"{folder}/")) for number, part in enumerate(parts, 1))
    overrides = _type(main_name, f"{media}.{kinds[0]}+xml")
    overrides += "".join(_type(part, f"{media}.{kinds[1]}+xml") for part in parts)
    rels = "application/vnd.openxmlformats-package.relationships+xml"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"><Default Extension="rels" ContentType="{rels}"/>'
        f"{overrides}</Types>",
        "_rels/.rels": _relations(_relation(1, "officeDocument", main_name)),
        main_name: main,
        f"{folder}/_rels/{name}.rels": _relations(own),
        **parts,
    }
    with ZipFile(path, "w") as package:
        for part, text in files.items():
            package.writestr(part, _HEAD + text)


def _relations(text: str) -> str:
    return f'<Relationships xmlns="{_RELATIONS}">{text}</Relationships>'


def _relation(number: int, kind: str, target: str) -> str:
    return f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'


def _type(part: str, media: str) -> str:
    return f'<Override PartName="/{part}" ContentType="{media}"/>'
