"""Write docs/schema.md from the schema: every coordinate, its type and what it means; `--check` only compares."""

import sys
from collections.abc import Generator, Iterable
from pathlib import Path

from graphql import (
    DefinitionNode,
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    StringValueNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

from nexent_gql.api.schema.build import print_sdl

PAGE = Path(__file__).parent.parent / "docs" / "schema.md"
Row = tuple[str, str, StringValueNode | None]
"""A coordinate, its type, and its description."""
ROOTS = ("Query", "Mutation", "Subscription")
KINDS: dict[type[DefinitionNode], str] = {
    ObjectTypeDefinitionNode: "Objects",
    InterfaceTypeDefinitionNode: "Interfaces",
    UnionTypeDefinitionNode: "Unions",
    InputObjectTypeDefinitionNode: "Inputs",
    EnumTypeDefinitionNode: "Enums",
    ScalarTypeDefinitionNode: "Scalars",
    DirectiveDefinitionNode: "Directives",
}
_HEAD = """\
# Schema coordinates

Generated from the schema by `make schema`; do not edit.

Each row is named by its coordinate: `Type.field`, `Type.field(argument:)`, `Input.field`, `Enum.VALUE`, `@directive`.
[schema-changes.md](schema-changes.md) uses these names.
"""


def schema_page(sdl: str) -> str:
    """Return the page as Markdown: the roots first, then each kind of type."""
    definitions = parse(sdl).definitions
    roots = [each for name in ROOTS for each in definitions if _name(each) == name]
    sections = [("Operations", roots)]
    for kind, title in KINDS.items():
        sections.append((title, [each for each in definitions if type(each) is kind and each not in roots]))
    return "\n".join([_HEAD, *(_section(title, members) for title, members in sections if members)])


def _section(title: str, members: Iterable[DefinitionNode]) -> str:
    rows = [f"| `{name}` | {_code(type_)} | {_text(about)} |" for each in members for name, type_, about in _rows(each)]
    return "\n".join([f"## {title}\n", "| Coordinate | Type | Meaning |", "|---|---|---|", *rows, ""])


def _rows(node: DefinitionNode) -> Generator[Row]:
    name = _name(node)
    match node:
        case ObjectTypeDefinitionNode() | InterfaceTypeDefinitionNode():
            yield name, " & ".join(each.name.value for each in node.interfaces or ()), node.description
            for field in node.fields or ():
                yield f"{name}.{field.name.value}", print_ast(field.type), field.description
                yield from _arguments(f"{name}.{field.name.value}", field.arguments or ())
        case InputObjectTypeDefinitionNode():
            yield name, "", node.description
            for field in node.fields or ():
                yield f"{name}.{field.name.value}", _with_default(field), field.description
        case EnumTypeDefinitionNode():
            yield name, "", node.description
            for value in node.values or ():
                yield f"{name}.{value.name.value}", "", value.description
        case UnionTypeDefinitionNode():
            yield name, " or ".join(each.name.value for each in node.types or ()), node.description
        case DirectiveDefinitionNode():
            yield f"@{name}", "", node.description
            yield from _arguments(f"@{name}", node.arguments or ())
        case ScalarTypeDefinitionNode():
            yield name, "", node.description
        case _:
            raise TypeError(node.kind)


def _arguments(owner: str, arguments: Iterable[InputValueDefinitionNode]) -> Generator[Row]:
    for argument in arguments:
        yield f"{owner}({argument.name.value}:)", _with_default(argument), argument.description


def _with_default(node: InputValueDefinitionNode) -> str:
    return print_ast(node.type) + (f" = {print_ast(node.default_value)}" if node.default_value else "")


def _name(node: DefinitionNode) -> str:
    return str(getattr(getattr(node, "name", None), "value", ""))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _text(description: StringValueNode | None) -> str:
    return " ".join(description.value.split()).replace("|", "\\|") if description else ""


def main(options: list[str]) -> int:
    """Write the page, or compare it."""
    page = schema_page(print_sdl())
    if options == ["--check"]:
        if PAGE.read_text() == page:
            return 0
        print("docs/schema.md differs from the schema: run `make schema`", file=sys.stderr)
        return 1
    PAGE.write_text(page)
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
