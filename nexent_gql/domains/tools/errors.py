"""What can be wrong about a choice of tools."""

from nexent_gql.kernel.errors import InvalidInputError


class UnknownToolError(InvalidInputError):
    """The installation has no tool of this name; the query `tools` lists those there are."""

    code = "UNKNOWN_TOOL"

    def __init__(self, name: str, path: tuple[str, ...]) -> None:
        """Name it, cut to a length that fits a message."""
        shown = name[:64]
        super().__init__(f"There is no tool {shown!a}; `tools` lists those there are.", path=path, name=shown)
