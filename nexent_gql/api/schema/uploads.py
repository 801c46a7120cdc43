"""Files that come with a request, after the GraphQL multipart request specification."""

from dataclasses import dataclass

from starlette.datastructures import UploadFile
from strawberry.exceptions import StrawberryInputCoercionError

from nexent_gql.api.pipeline.refusals import FileTooLargeError


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """An uploaded file; it is deleted when the operation has ended."""

    name: str
    size_bytes: int
    source: UploadFile

    async def read(self, *path: str, max_bytes: int) -> bytes:
        """Return the content.

        Raises:
            FileTooLargeError: It has more than `max_bytes`; `path` is the field it came in.
        """
        if self.size_bytes > max_bytes:
            raise FileTooLargeError(f"The file has more than {max_bytes} bytes.", path=path, limit=max_bytes)
        return await self.source.read()


def read_file(value: object) -> UploadedFile:
    """Take a variable's value for a file."""
    if isinstance(value, UploadedFile):
        return value
    raise StrawberryInputCoercionError("An Upload comes as a part of a multipart/form-data request.")
