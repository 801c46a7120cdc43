"""`nexent-gql schema`."""

import json
from difflib import unified_diff
from itertools import islice
from pathlib import Path

import click
from graphql import build_schema, introspection_from_schema

from nexent_gql.api.schema.build import print_sdl

_SHOWN_LINES = 40


@click.command("schema")
@click.option("--check", is_flag=True, help="Write nothing; fail if a file differs from the code.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("schema.graphql"),
    show_default=True,
    help="Where to write the SDL. The introspection result goes beside it, as NAME.introspection.json.",
)
def command(*, check: bool, output: Path) -> None:
    """Write the schema as SDL and as the JSON result of an introspection query."""
    sdl = print_sdl()
    for path, text in ((output, sdl), (output.with_suffix(".introspection.json"), _introspection(sdl))):
        if check:
            _compare(path, text)
        else:
            path.write_text(text)
            click.echo(f"wrote {path}")


def _introspection(sdl: str) -> str:
    result = introspection_from_schema(
        build_schema(sdl),
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    return json.dumps(result, indent=1) + "\n"


def _compare(path: Path, expected: str) -> None:
    text = path.read_text() if path.exists() else ""
    if text != expected:
        lines = unified_diff(text.splitlines(), expected.splitlines(), str(path), "the code", lineterm="")
        click.echo("\n".join(islice(lines, _SHOWN_LINES)))
        raise click.ClickException(f"{path} differs from the code; run `make schema`.")
