"""Static files of the package, read once, with ETags for browser caches."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
VENDOR = Path(__file__).parent / "vendor"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's content and its ETag."""

    body: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, path: Path) -> "StaticFile":
        """Read a file of the package."""
        body = path.read_bytes()
        return cls(body, _TYPES[path.suffix], f'"{sha256(body).hexdigest()[:32]}"')

    def answer(self, request: Request, headers: dict[str, str] | None = None) -> Response:
        """Send the file, or 304 if the browser's copy is current."""
        all_headers = {"ETag": self.etag, "Cache-Control": "no-cache", **(headers or {})}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=all_headers)
        return Response(self.body, media_type=self.media_type, headers=all_headers)


def read_folder(folder: Path) -> dict[str, StaticFile]:
    """Read all public files of a folder, by name."""
    if not folder.is_dir():
        return {}
    return {path.name: StaticFile.read(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES}
