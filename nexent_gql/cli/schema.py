"""`nexent-gql schema`."""

from difflib import unified_diff
from itertools import islice
from pathlib import Path

import click

from nexent_gql.api.schema.build import print_sdl

_SHOWN_LINES = 40


@click.command("schema")
@click.option("--check", is_flag=True, help="Write nothing; fail when the file differs from the code.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("schema.graphql"), show_default=True, help="The file."
)
def command(*, check: bool, output: Path) -> None:
    """Write the schema, as the code has it, to schema.graphql."""
    wanted = print_sdl()
    if not check:
        output.write_text(wanted)
        click.echo(f"wrote {output}")
        return
    found = output.read_text() if output.exists() else ""
    if found != wanted:
        difference = unified_diff(found.splitlines(), wanted.splitlines(), str(output), "the code", lineterm="")
        click.echo("\n".join(islice(difference, _SHOWN_LINES)))
        raise click.ClickException(f"{output} is not what the code says; run `nexent-gql schema`.")
