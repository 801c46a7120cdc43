"""Static files of the package, read once, compressed once, with ETags for browser caches."""

from dataclasses import dataclass
from gzip import compress
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
LIBRARIES = Path(__file__).parent / "libraries"
VENDOR = Path(__file__).parent / "vendor"
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's content, as it is and compressed, and its ETag."""

    body: bytes
    compressed: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, path: Path) -> "StaticFile":
        """Read a file of the package."""
        return cls.of(path.read_bytes(), _TYPES[path.suffix])

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "StaticFile":
        """Return a file with some content."""
        etag = f'W/"{sha256(body).hexdigest()[:32]}"'
        return cls(body, compress(body, mtime=0), media_type, etag)

    def answer(self, request: Request, headers: dict[str, str] | None = None) -> Response:
        """Send the file, or 304 if the browser's copy is current."""
        all_headers = {
            "ETag": self.etag,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        }
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=all_headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            all_headers["Content-Encoding"] = "gzip"
            return Response(self.compressed, media_type=self.media_type, headers=all_headers)
        return Response(self.body, media_type=self.media_type, headers=all_headers)


def read_folder(folder: Path) -> dict[str, StaticFile]:
    """Read all public files of a folder and its subfolders, by path."""
    return {
        path.relative_to(folder).as_posix(): StaticFile.read(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES
    }
