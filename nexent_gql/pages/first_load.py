"""Few round trips for the first load: one stylesheet, and modules that are requested before others import them."""

import json
import posixpath
import re
from collections.abc import Mapping

from nexent_gql.pages.files import StaticFile

_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
_ENTRY = re.compile(r'<script type="module" src="/static/([^"]+)"></script>')
_IMPORT = re.compile(r"""(?:^|;)(?:import|export)\b(?:[^"';()]*\bfrom\b)?\s*["']([^"']+)["']""", re.MULTILINE)
_STYLES = re.compile(r'(?:<link rel="stylesheet" href="/static/[^"]+">\n)+')
_BASE = "/static/"
_STYLESHEET = "page.css"


def join_styles(page: str, files: dict[str, StaticFile]) -> str:
    """Return a page with one stylesheet in place of several, and add that to the files."""
    links = _STYLES.search(page)
    if links is None:
        raise ValueError("the page has no stylesheet")
    paths = re.findall(f'href="{_BASE}([^"]+)"', links[0])
    files[_STYLESHEET] = StaticFile.of(b"".join(files[path].body for path in paths), files[paths[0]].media_type)
    return f'{page[: links.start()]}<link rel="stylesheet" href="{_BASE}{_STYLESHEET}">\n{page[links.end() :]}'


def add_preloads(page: str, files: Mapping[str, StaticFile]) -> str:
    """Return a page with a link for each module that its script imports, directly or not; `import()` counts as later.

    Args:
        page: HTML with an import map and one module script.
        files: The modules by path.
    """
    entry = _ENTRY.search(page)
    addresses = _IMPORT_MAP.search(page)
    if entry is None or addresses is None:
        raise ValueError("the page has no import map, or no module script")
    names: dict[str, str] = json.loads(addresses[1])["imports"]
    modules = imported_modules(entry[1], names, files)
    links = "".join(f'<link rel="modulepreload" href="{_BASE}{module}">\n' for module in modules)
    return page[: entry.start()] + links + page[entry.start() :]


def imported_modules(entry: str, names: Mapping[str, str], files: Mapping[str, StaticFile]) -> list[str]:
    """Return the paths of all modules that a module imports, directly or not, nearest first.

    Args:
        entry: Path of the module.
        names: The addresses of libraries, as in an import map.
        files: The modules by path.
    """
    modules = [entry]
    for module in modules:  # grows
        for name in _IMPORT.findall(files[module].body.decode()):
            path = names[name].removeprefix(_BASE) if name in names else _resolve(module, name)
            if path not in modules:
                modules.append(path)
    return modules[1:]


def _resolve(module: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(module), name))
