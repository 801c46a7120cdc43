"""GraphiQL, with files from the wheel, or from a CDN with checked integrity."""

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import cast

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from nexent_gql.pages.files import VENDOR
from nexent_gql.pages.import_map import IMPORT_MAP, IMPORT_MAP_SOURCE
from nexent_gql.pages.origins import own_sources

_CDN = "https://cdn.jsdelivr.net"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nexent_gql: GraphiQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/graphiql-page.css">
{styles}
{import_map}
</head>
<body>
<div id="graphiql">Loading GraphiQL. Without it, the schema is in schema.graphql.</div>
{scripts}
<script type="module" src="/static/graphiql-page.js"></script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of an npm package, the page that loads it, its name in this package, and its expected hash."""

    page: str
    name: str
    package: str
    version: str
    path: str
    integrity: str

    @property
    def url(self) -> str:
        """The URL of the copy in the wheel if there is one, else that of the CDN."""
        if (VENDOR / self.name).is_file():
            return f"/static/{self.name}"
        return f"{_CDN}/npm/{self.package}@{self.version}/{self.path}"


def read_assets() -> list[Asset]:
    """Read the list of GraphiQL's files, in loading order."""
    listed = json.loads((Path(__file__).parent / "assets.json").read_text())
    return [Asset(**asset) for asset in cast("list[dict[str, str]]", listed) if asset["page"] == "graphiql"]


async def graphiql_page(request: Request) -> Response:
    """Serve GraphiQL to a browser that opens the API's address."""
    assets = read_assets()
    styles = [_style(asset) for asset in assets if asset.name.endswith(".css")]
    scripts = [_script(asset) for asset in assets if asset.name.endswith(".js")]
    source = "'self'" if all(asset.url.startswith("/") for asset in assets) else f"'self' {_CDN}"
    policy = (
        f"default-src 'none'; script-src {source} {IMPORT_MAP_SOURCE}; style-src {source} 'unsafe-inline'; "
        f"font-src {source} data:; img-src 'self' data:; connect-src {own_sources(request)}; worker-src blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    body = _PAGE.format(styles="\n".join(styles), scripts="\n".join(scripts), import_map=IMPORT_MAP)
    return HTMLResponse(body, headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"})


def _style(asset: Asset) -> str:
    return f'<link rel="stylesheet" href="{escape(asset.url)}" integrity="{asset.integrity}" crossorigin="anonymous">'


def _script(asset: Asset) -> str:
    return f'<script src="{escape(asset.url)}" integrity="{asset.integrity}" crossorigin="anonymous"></script>'
