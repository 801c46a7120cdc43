"""Routes beside the API: the page at `/`, its files, and the demo session for browsers on this machine."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from nexent_gql.pages.files import LIBRARIES, STATIC, VENDOR, StaticFile, read_folder
from nexent_gql.pages.first_load import add_preloads, join_styles
from nexent_gql.pages.import_map import IMPORT_MAP_SOURCE
from nexent_gql.pages.origins import is_from_here, own_sources

_POLICY = (
    "default-src 'none'; script-src 'self' {import_map}; style-src 'self'; connect-src {sources}; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)


@dataclass(frozen=True, slots=True)
class DemoToken:
    """A bearer token of the demo user with its expiry."""

    text: str
    expires_at: datetime


IssueDemoToken = Callable[[Request], Awaitable[DemoToken]]


def page_routes(issue_demo_token: IssueDemoToken | None, file_origin: str | None = None) -> Sequence[BaseRoute]:
    """Return the routes of the pages.

    Args:
        issue_demo_token: Signs in browsers on this machine; None asks them to sign in.
        file_origin: Origin to which browsers send files, if that is not this server.
    """
    files = {**read_folder(VENDOR), **read_folder(LIBRARIES), **read_folder(STATIC)}
    index = files["index.html"]
    page_text = add_preloads(join_styles(index.body.decode(), files), files)
    home = StaticFile.of(page_text.encode(), index.media_type)

    async def page(request: Request) -> Response:
        sources = " ".join(filter(None, (own_sources(request), file_origin)))
        policy = _POLICY.format(sources=sources, import_map=IMPORT_MAP_SOURCE)
        headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
        return home.answer(request, headers)

    async def static(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        return Response(status_code=404) if file is None else file.answer(request)

    async def demo(request: Request) -> Response:
        if issue_demo_token is None:
            return _refused(404, "There is no demo session here; sign in instead.")
        if not is_from_here(request):
            return _refused(403, "The demo session is for browsers on the server's own machine; sign in instead.")
        token = await issue_demo_token(request)
        body = {"accessToken": token.text, "expiresAt": token.expires_at.isoformat()}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    return [
        Route("/", page, methods=["GET"]),
        Route("/static/{name:path}", static, methods=["GET"]),
        Route("/session/demo", demo, methods=["POST"]),
    ]


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status, headers={"Cache-Control": "no-store"})
