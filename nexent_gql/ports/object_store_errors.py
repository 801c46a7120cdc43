"""Failures of object storage."""

from nexent_gql.kernel.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError


class ObjectStoreUnavailableError(UnavailableError):
    """The object storage does not answer, refuses the server's credentials, or is full."""

    code = "OBJECT_STORE_UNAVAILABLE"


class ObjectNotFoundError(NotFoundError):
    """The object storage has no such object."""

    code = "OBJECT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("The content of the file is not in the object storage.")


class ObjectChangedError(ConflictError):
    """The object was replaced while it was read."""

    code = "OBJECT_CHANGED"

    def __init__(self) -> None:
        super().__init__("The content was replaced while it was read; try again.")


class WrongObjectSizeError(InvalidInputError):
    """The content has more or fewer bytes than announced."""

    code = "WRONG_OBJECT_SIZE"

    def __init__(self, expected_bytes: int) -> None:
        super().__init__(f"The content does not have the {expected_bytes:,} bytes that were announced.")
