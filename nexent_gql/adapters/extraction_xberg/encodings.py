"""Decodes text of unknown encoding."""

import codecs
import re

import chardet

_SAMPLE_BYTES = 200_000
_SHORT_BYTES = 400
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""")
_CONTROLS = re.compile(r"[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_UNASSIGNED = re.compile(r"[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff]")
_ESCAPE_WITHIN = 1024
_MAX_CONTROLS = 0.02  # of the characters of a text
_LARGER_SETS = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949", "iso-8859-1": "cp1252"}
"""Encodings that are named where files use characters of a larger one."""


def decode(data: bytes) -> str:
    """Return the text of `data`; what no encoding explains becomes U+FFFD."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, "replace").removeprefix("\ufeff")
    has_nulls = b"\0" in data[:_SAMPLE_BYTES]
    if not has_nulls:
        for encoding in filter(None, (_escape_encoding(data), "utf-8", _declared_encoding(data))):
            text = _try_decode(data, encoding)
            if text is not None and not _has_many_controls(text):
                return text
    if not has_nulls and _is_kana(data):
        return data.decode("cp932", "replace")
    guess = chardet.detect(data[:_SAMPLE_BYTES])["encoding"] or "cp1252"
    encoding = _LARGER_SETS.get(guess.lower(), guess)
    text = _try_decode(data, encoding)
    if text is None or _has_many_controls(text):
        encoding = _wide_encoding(data) or encoding
        text = _try_decode(data, encoding)
    return text if text is not None else data.decode(encoding if _is_codec(encoding) else "cp1252", "replace")


def is_text(data: bytes) -> bool:
    """Whether `data` looks like text of some encoding: few control characters after decoding."""
    text = decode(data[:20_000])
    return len(_CONTROLS.findall(text)) + text.count("\ufffd") <= len(text) * _MAX_CONTROLS


def _has_many_controls(text: str) -> bool:
    sample = text[:_SAMPLE_BYTES]
    return len(_CONTROLS.findall(sample)) > len(sample) * _MAX_CONTROLS


def _escape_encoding(data: bytes) -> str | None:
    """Return the encoding that switches character sets by the escape sequences of `data`."""
    if b"\x1b$)C" in data[:_ESCAPE_WITHIN]:
        return "iso2022_kr"
    return "iso2022_jp_2" if b"\x1b$" in data or b"\x1b(" in data else None


def _wide_encoding(data: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark; in the wrong order the characters are of many blocks."""
    sample = data[: _SAMPLE_BYTES & ~1]
    blocks = {
        encoding: len({ord(char) >> 8 for char in text})
        for encoding in ("utf-16-le", "utf-16-be")
        if (text := _try_decode(sample, encoding)) is not None and not _UNASSIGNED.search(text)
    }
    return min(blocks, key=blocks.__getitem__, default=None)


def _declared_encoding(data: bytes) -> str | None:
    match = _DECLARED.search(data[:1024])
    if match is None:
        return None
    name = match[1].decode("ascii").lower()
    return _LARGER_SETS.get(name, name)


def _is_kana(data: bytes) -> bool:
    """Whether `data` is Japanese in Shift-JIS: texts of a few words are too short for the detection."""
    text = _try_decode(data[:_SHORT_BYTES], "cp932") or ""
    foreign = [char for char in text if char > "\x7f"]
    kana = sum("\u3041" <= char <= "\u30fc" for char in foreign)
    return bool(foreign) and kana * 2 > len(foreign)


def _is_codec(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True


def _try_decode(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None
