"""The catalogue of error codes: all subclasses of `DomainError`, described by their docstrings.

The modules that may hold such classes are found by walking the packages, so the catalogue is the same whatever
happens to be imported: all modules of the lower layers, and `errors` of each domain. An error class anywhere else (an
adapter, say) has to bear a code that is listed here.
"""

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import strawberry

import nexent_gql
from nexent_gql.kernel.errors import DomainError

_PACKAGES = ("kernel", "ports", "db", "jobs", "streams")
_MODULES = ("nexent_gql.api.pipeline.refusals",)


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One code; `family` is the code of the nearest ancestor with another code, or None."""

    code: str
    meaning: str
    family: str | None
    retryable: bool


def _names() -> Iterator[str]:
    for package in _PACKAGES:
        for module in pkgutil.iter_modules([f"{folder}/{package}" for folder in nexent_gql.__path__]):
            yield f"nexent_gql.{package}.{module.name}"
    for folder in nexent_gql.__path__:
        for module in sorted(Path(folder, "domains").glob("*/errors.py")):
            yield f"nexent_gql.domains.{module.parent.name}.errors"
    yield from _MODULES


def _below(root: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in sorted(root.__subclasses__(), key=lambda cls: (cls.__name__, cls.__module__)):
        yield child
        yield from _below(child)


def _entry(cls: type[DomainError]) -> CodeEntry:
    ancestors = (base.code for base in cls.__mro__[1:] if issubclass(base, DomainError))
    family = next((code for code in ancestors if code not in (cls.code, DomainError.code)), None)
    meaning = (getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
    return CodeEntry(code=cls.code, meaning=meaning, family=family, retryable=cls.retryable)


def catalogue() -> dict[str, CodeEntry]:
    """Return all codes, sorted by name; a code that classes share is described by the most general class."""
    for name in _names():
        import_module(name)
    entries: dict[str, CodeEntry] = {}
    for cls in _below(DomainError):
        if cls.__module__.startswith("nexent_gql."):
            entries.setdefault(cls.code, _entry(cls))
    return dict(sorted(entries.items()))


CATALOGUE = catalogue()


@strawberry.enum(
    description="Stable code of an error. New codes are added over time. Treat an unknown one as INTERNAL_SERVER_ERROR."
)
class ErrorCode(Enum):
    """The names of the catalogue."""

    _ignore_ = "members entry"
    members = vars()
    for entry in CATALOGUE.values():
        members[entry.code] = strawberry.enum_value(entry.code, description=entry.meaning)


def error_code(error: DomainError) -> ErrorCode:
    """Return the code of an error, or of its nearest ancestor whose code is in the catalogue."""
    codes = (base.code for base in type(error).__mro__ if issubclass(base, DomainError) and base.code in CATALOGUE)
    return ErrorCode(next(codes))
