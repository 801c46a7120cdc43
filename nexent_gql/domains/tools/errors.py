"""Errors of the domain."""

from nexent_gql.kernel.errors import InvalidInputError, UnavailableError


class UnknownToolError(InvalidInputError):
    """The tenant has no tool of this name; the query `tools` lists the available ones."""

    code = "UNKNOWN_TOOL"

    def __init__(self, name: str, path: tuple[str, ...]) -> None:
        """Name the tool, cut to a length that fits a message."""
        short_name = name[:64]
        super().__init__(f"There is no tool {short_name!a}; `tools` lists those there are.", path=path, name=short_name)


class ToolsUnavailableError(UnavailableError):
    """A tool provider does not answer, so its tools cannot be listed."""

    code = "TOOLS_UNAVAILABLE"

    def __init__(self, provider: str) -> None:
        message = f"The tools of {provider!a} cannot be listed at present; try again in a moment."
        super().__init__(message, provider=provider)
