"""Errors of the domain."""

from uuid import UUID

from nexent_gql.kernel.errors import ConflictError, InvalidInputError, NotFoundError, QuotaExceededError


class StoredFileNotFoundError(NotFoundError):
    """The caller has no such file."""

    object_type = "File"
    code = "NOT_FOUND"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("You have no such file; it may have been deleted.", id=str(file_id))


class UploadNotFoundError(NotFoundError):
    """The caller has no such upload."""

    object_type = "FileUpload"
    code = "NOT_FOUND"

    def __init__(self, upload_id: UUID) -> None:
        super().__init__("You have no such upload; it may have expired. Create another.", id=str(upload_id))


class InvalidFileLinkError(NotFoundError):
    """The signed address is wrong or has expired, or its file or upload no longer exists."""

    code = "INVALID_FILE_LINK"

    def __init__(self) -> None:
        super().__init__("This address is not valid or has expired; request a new one.")


class FileTooLargeError(InvalidInputError):
    """A file has more bytes than accepted."""

    code = "FILE_TOO_LARGE"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        message = f"The file has {size_bytes:,} bytes, and at most {limit_bytes:,} are accepted."
        super().__init__(message, path=("sizeBytes",), limit=limit_bytes)


class FileQuotaExceededError(QuotaExceededError):
    """The files of the tenant would exceed its quota; delete some, or ask an administrator for more."""

    code = "FILE_QUOTA_EXCEEDED"
    retryable = False

    def __init__(self, *, used_bytes: int, limit_bytes: int) -> None:
        message = f"The files of your tenant have {used_bytes:,} of {limit_bytes:,} bytes; delete some first."
        super().__init__(message, used_bytes=used_bytes, limit_bytes=limit_bytes)


class UploadReusedError(ConflictError):
    """The `clientId` belongs to an upload with another input."""

    code = "CLIENT_ID_REUSED"

    def __init__(self, client_id: str) -> None:
        super().__init__("This clientId came with another input before; use a new one.", client_id=client_id)


class UploadExpiredError(ConflictError):
    """The upload was not completed in time; create another."""

    code = "UPLOAD_EXPIRED"

    def __init__(self) -> None:
        super().__init__("This upload has expired; create another.")


class UploadIncompleteError(ConflictError):
    """Parts of the upload have not been stored, or have the wrong size; upload them and complete it again."""

    code = "UPLOAD_INCOMPLETE"

    def __init__(self, numbers: list[int]) -> None:
        listing = ", ".join(map(str, numbers[:20]))
        super().__init__(f"Upload these parts, with their exact sizes, and try again: {listing}.", parts=listing)


class FileHashMismatchError(InvalidInputError):
    """The content has another SHA-256 than announced; upload it again."""

    code = "FILE_HASH_MISMATCH"

    def __init__(self, *, expected: str, actual: str) -> None:
        message = "The content does not have the announced SHA-256; upload it again."
        super().__init__(message, path=("sha256",), expected=expected, actual=actual)


class FileTypeMismatchError(InvalidInputError):
    """The content is of another type than announced."""

    code = "FILE_TYPE_MISMATCH"

    def __init__(self, *, declared: str, detected: str) -> None:
        message = f"The file was announced as {declared}, but its content is {detected}."
        super().__init__(message, path=("contentType",), declared=declared, detected=detected)


class FileInUseError(ConflictError):
    """Documents of a knowledge base use the file, so it can't be deleted."""

    code = "FILE_IN_USE"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("Documents use this file; delete them first.", id=str(file_id))
