"""What a child process is asked to do: read one file.

The payload is a JSON object with `path`, `name` and `media_type`. The result is a JSON object: a document, or `error`
with `code`, `message` and `details`.
"""

from pathlib import Path

from nexent_gql.adapters.extraction_xberg.reading import read_file
from nexent_gql.kernel.json import dumps, loads_object
from nexent_gql.ports.extraction import ExtractionError


def extract(payload: bytes) -> bytes:
    """Read the file that `payload` names."""
    request = loads_object(payload)
    media_type = request["media_type"]
    try:
        data = Path(str(request["path"])).read_bytes()
        document = read_file(data, str(request["name"]), media_type if isinstance(media_type, str) else None)
    except ExtractionError as error:
        return dumps({"error": {"code": error.code, "message": error.message, "details": error.details}})
    return dumps(document)
