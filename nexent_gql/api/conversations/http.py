"""The HTTP route of exports, at signed addresses."""

from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from nexent_gql.api.files.http import Blocks, answer_failures
from nexent_gql.api.transport.caller import services_of
from nexent_gql.domains.files.links import EXPORTS_PATH
from nexent_gql.domains.runs.export import Export, ExportFormat

_HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {
    ExportFormat.MARKDOWN: ("text/markdown; charset=utf-8", "md"),
    ExportFormat.JSON: ("application/json", "json"),
}
_OK = 200


def export_routes(idle_s: float) -> Sequence[BaseRoute]:
    """Return the route; a client that takes nothing for `idle_s` seconds is given up."""

    async def get(request: Request) -> Response:
        return await answer_failures(_send(request, idle_s))

    return [Route(f"{EXPORTS_PATH}{{token}}", get, methods=["GET"])]


async def _send(request: Request, idle_s: float) -> Response:
    exporter = services_of(request.scope).conversation_exporter
    export = await exporter.open_link(request.path_params["token"])
    content_type, _ = _TYPES[export.format]
    headers = {**_HEADERS, "Content-Type": content_type, "Content-Disposition": _disposition(export)}
    if request.method == "HEAD":
        return Response(status_code=_OK, headers=headers)
    blocks = exporter.read(export)
    return Blocks(await anext(blocks), blocks, _OK, headers, idle_s)


def _disposition(export: Export) -> str:
    _, suffix = _TYPES[export.format]
    name = export.conversation.title.replace("/", "-").replace("\\", "-") or "conversation"
    return f"attachment; filename=\"conversation.{suffix}\"; filename*=UTF-8''{quote(f'{name}.{suffix}', safe='')}"
