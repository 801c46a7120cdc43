"""Write docs/configuration.md from the settings: every variable, its default, its limits and its meaning."""

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from nexent_gql.settings import SeedSettings, Settings

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
_HEAD = """\
# Configuration

Generated from the settings by `make schema`; do not edit.

Settings are environment variables, read once when a process starts. An invalid value stops the process with a message
that names the variable. `nexent-gql up` sets the required ones itself, for embedded engines, unless they are set.
Units are in the names: `_S` seconds, `_MS` milliseconds, `_BYTES` bytes. Lists and objects are JSON:
`["https://chat.example.com"]`.
"""
_SEED = """\
## Settings of `up` and `seed`

The model that is registered for the demo tenant and becomes its default. One of the three is enough. Without any, a
tenant without models gets the offline model.
"""
_UNDESCRIBED = {
    "log_format": "Format of log lines.",
    "log_level": "Lowest level that is logged.",
    "openai_api_key": "API key of the provider.",
    "openai_base_url": "Base URL of an OpenAI-compatible server. Unset means OpenAI's own.",
    "chat_model": "The model's name at the provider. Unset means `gpt-4o-mini`.",
}
"""Descriptions of settings that have none of their own."""


def configuration_page() -> str:
    """Return the page as Markdown."""
    seed = {str(field.validation_alias): (name, field) for name, field in SeedSettings.model_fields.items()}
    sections = _sections("General", Settings.model_fields, "NEXENT_")
    return "\n".join([_HEAD, *sections, _SEED, _table(seed)])


def _sections(title: str, fields: Mapping[str, FieldInfo], prefix: str) -> Generator[str]:
    """Yield a section with the plain fields, then one for each nested group."""
    plain = {f"{prefix}{name.upper()}": (name, field) for name, field in fields.items() if _group(field) is None}
    yield f"## {title}\n\n{_table(plain)}"
    for name, field in fields.items():
        if (group := _group(field)) is not None:
            heading = (group.__doc__ or name).splitlines()[0].rstrip(".")
            yield from _sections(heading, group.model_fields, f"{prefix}{name.upper()}__")


def _group(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _table(fields: Mapping[str, tuple[str, FieldInfo]]) -> str:
    rows = [
        f"| `{variable}` | {_default(field)} | {field.description or _UNDESCRIBED[name]}{_values(field)} |"
        for variable, (name, field) in fields.items()
    ]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default: object = field.get_default(call_default_factory=True, validated_data={})
    match default:
        case None | () | [] | {}:
            return "none"
        case tuple():
            return f"`{json.dumps(default)}`"
        case bool():
            return f"`{str(default).lower()}`"
        case int() | float():
            return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
        case _:
            return f"`{default}`"


def _values(field: FieldInfo) -> str:
    """Return the accepted values or limits."""
    if get_origin(field.annotation) is Literal:
        return f" One of {', '.join(f'`{value}`' for value in get_args(field.annotation))}."
    bounds = [text for bound in field.metadata if (text := _bound(bound, is_secret=field.annotation is SecretStr))]
    return f" {', '.join(bounds).capitalize()}." if bounds else ""


def _bound(bound: object, *, is_secret: bool) -> str | None:
    match bound:
        case Ge(ge=least):
            return f"at least {least}"
        case Gt(gt=above):
            return f"more than {above}"
        case Le(le=most):
            return f"at most {most}"
        case MinLen(min_length=shortest):
            return f"at least {shortest} {'characters' if is_secret else 'items'}"
        case _:
            return None


if __name__ == "__main__":
    PAGE.write_text(configuration_page())
    print(f"wrote {PAGE}")
