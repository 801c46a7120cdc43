"""Routes beside the API: the page at `/`, its files, and the session of whoever sits at this machine."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from nexent_gql.pages.files import STATIC, VENDOR, read_folder

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class DemoToken:
    """A bearer token of the demo user, and when it ends."""

    text: str
    expires_at: datetime


IssueDemoToken = Callable[[Request], Awaitable[DemoToken]]


def page_routes(issue_demo_token: IssueDemoToken | None) -> Sequence[BaseRoute]:
    """Return the routes of the pages; with `issue_demo_token`, browsers on this machine are signed in."""
    files = {**read_folder(VENDOR), **read_folder(STATIC)}

    async def page(request: Request) -> Response:
        return files["index.html"].answer(request, {"Content-Security-Policy": _POLICY})

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
        Route("/static/{name}", static, methods=["GET"]),
        Route("/session/demo", demo, methods=["POST"]),
    ]


def is_from_here(request: Request) -> bool:
    """Tell whether a page of ours, opened on this machine, asks.

    Address and Host are loopback (a name that was rebound to it is not), no proxy stands between, the origin is our
    own, and the content type is one that a foreign page can't send without being asked first.
    """
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    proxied = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    return (
        request.client is not None
        and _is_loopback(request.client.host)
        and _is_loopback(urlsplit(f"//{host}").hostname or "")
        and not proxied
        and (origin is None or urlsplit(origin).netloc == host)
        and request.headers.get("content-type", "").split(";")[0].strip() == "application/json"
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status, headers={"Cache-Control": "no-store"})
