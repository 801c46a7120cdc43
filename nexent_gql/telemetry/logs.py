"""Logs: one line per event, at most 2 kB, without secrets, with newlines in values escaped.

Libraries that use the standard library's logging get the same format.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor

MAX_LINE_BYTES = 2_048
_MAX_VALUE_CHARS = 300
_MAX_FRAMES = 12
_HIDDEN = "***"
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_SECRET_NAME = re.compile(r"authorization|cookie|passw|secret|token$|api_?key|credential|private_?key", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(?i)(?P<lead>\b(?:bearer|basic)\s+|://[^\s:/@]*:(?=[^\s/@]*@))[^\s@\"']+"  # credentials in headers and in URLs
    r"|\b(?:sk|nxg)[-_][\w-]{8,}"  # API keys, of providers and ours
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # JSON Web Tokens
)


def redact(text: str) -> str:
    """Replace credentials in a text."""
    return _SECRET_TEXT.sub(lambda match: f"{match['lead'] or ''}{_HIDDEN}", text)


def _clean(value: object, depth: int = 0) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth < 2:  # noqa: PLR2004 - deeper values are printed as text
        items = cast("Mapping[object, object]", value).items()
        return {str(key): _field(str(key), item, depth + 1) for key, item in items}
    text = redact(value if isinstance(value, str) else repr(cast("object", value)))
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"


def _field(name: str, value: object, depth: int = 0) -> object:
    return _HIDDEN if _SECRET_NAME.search(name) and value else _clean(value, depth)


def _clean_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: value if name == "trace" else _field(name, value) for name, value in event.items()}


def _frames(error: BaseException) -> list[str]:
    summary = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    return [f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}" for frame in summary]


def _sentence(error: BaseException) -> str:
    """Return the first line of an error: database drivers append statements and parameters in further lines."""
    return f"{type(error).__qualname__}: {error}".split("\n", 1)[0]


def _compact_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the error and the locations of its frames, without source lines and variables."""
    info = event.pop("exc_info", None)
    error = cast("tuple[object, object, object]", info)[1] if isinstance(info, tuple) else info
    error = sys.exc_info()[1] if error is True else error
    if isinstance(error, BaseException):
        event["error"] = _sentence(error)
        cause = error.__cause__ or error.__context__
        if cause is not None:
            event["cause"] = _sentence(cause)
        event["trace"] = _frames(error)
    return event


def _shorten(event: EventDict) -> bytes:
    line = orjson.dumps(event, default=repr)
    while len(line) > MAX_LINE_BYTES and event:
        longest = max(event, key=lambda name: len(str(event[name])))
        others = {name: value for name, value in event.items() if name != longest}
        event = {**others, "cut": [*cast("list[str]", others.get("cut", [])), longest]}
        line = orjson.dumps(event, default=repr)
    return line


def _render_json(_logger: object, _method: str, event: EventDict) -> str:
    return _shorten(event).decode()


def _render_console(_logger: object, _method: str, event: EventDict) -> str:
    time, level, name = (str(event.pop(key, "")) for key in ("timestamp", "level", "event"))
    facts = " ".join(f"{key}={orjson.dumps(value, default=repr).decode()}" for key, value in event.items())
    line = f"{time[11:23]} {level:<8} {name.translate(_CONTROLS)} {facts}".rstrip()
    encoded = line.encode()
    return line if len(encoded) <= MAX_LINE_BYTES else encoded[: MAX_LINE_BYTES - 3].decode(errors="ignore") + "…"


def _drop_colours(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Drop the coloured message that uvicorn adds."""
    event.pop("color_message", None)
    return event


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _compact_trace,
        _clean_fields,
    ]


def configure_logging(form: Literal["console", "json"], level: str) -> None:
    """Send all logs of this process to stderr in one format; entry points call it once.

    Args:
        form: `json` or `console`.
        level: The lowest level to write: DEBUG, INFO, WARNING or ERROR.
    """
    render = _render_json if form == "json" else _render_console
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), _drop_colours],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
    for name in ("httpx2", "elastic_transport"):  # they log every URL, which may contain a key or ids
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
