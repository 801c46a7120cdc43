"""The files of the pages: documents that fit the schema, texts in every language, libraries with the pinned hashes."""

import json
import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from nexent_gql.pages.files import LIBRARIES, STATIC, StaticFile, read_folder
from nexent_gql.pages.first_load import add_preloads, imported_modules, join_styles
from scripts.fetch_assets import is_whole
from scripts.page_documents import MANIFEST, read_sources, render

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(STATIC.rglob("*.js"))
DOCUMENTS = sorted((STATIC / "documents").glob("*.js"))
TEXTS = {path.stem: json.loads(path.read_text()) for path in (STATIC / "texts").glob("*.json")}
MAX_LINES = 400
TEXT_KEY = re.compile(r"""\bt\(\s*(?:\w+ \? )?"([^"]+)"(?: : "([^"]+)")?""")
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def test_every_document_of_the_page_is_valid() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    texts = read_sources()
    assert len(texts) > 10
    errors = {name: [error.message for error in validate(schema, parse(text))] for name, text in texts.items()}
    assert {name: messages for name, messages in errors.items() if messages} == {}


def test_the_server_knows_the_documents_of_the_page() -> None:
    assert MANIFEST.read_text() == render(), "make schema"


def test_documents_are_nowhere_else() -> None:
    operation = re.compile(r"`\s*(?:query|mutation|subscription)\b[^`]*\{")
    others = [path for path in SCRIPTS if path not in DOCUMENTS and path.name != "graphiql-page.js"]  # shows examples
    elsewhere = [path for path in others if operation.search(path.read_text())]
    assert [path.name for path in elsewhere] == []


def test_languages_have_the_same_texts_and_placeholders() -> None:
    assert {"en", "zh"} <= set(TEXTS)
    placeholders = {
        language: {key: sorted(PLACEHOLDER.findall(text)) for key, text in texts.items()}
        for language, texts in TEXTS.items()
    }
    for language in TEXTS:
        assert placeholders[language] == placeholders["en"], language


def test_every_text_that_scripts_name_exists() -> None:
    named = {key for path in SCRIPTS for match in TEXT_KEY.finditer(path.read_text()) for key in match.groups() if key}
    assert len(named) > 50
    assert named - set(TEXTS["en"]) == set()


def test_no_text_is_left_over() -> None:
    sources = "\n".join(path.read_text() for path in SCRIPTS)
    computed = (
        "access.",
        "agent.kind.",
        "attach.mode.",
        "connection.",
        "export.",
        "model.kind.",
        "preview.strategy.",
        "role.",
        "search.",
        "stage.",
        "state.",
    )
    computed += ("summary.stage.", "theme.", "unit.")
    unused = [key for key in TEXTS["en"] if f'"{key}"' not in sources and not key.startswith(computed)]
    assert unused == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_scripts_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_rendering_overwrites_no_input_of_somebody(path: Path) -> None:
    """Preact writes `value` and `checked` into elements each time it renders them.

    So only an element whose every change is taken over at once may have them; others have `defaultValue`.
    """
    tags = re.findall(r"<(?:input|textarea|select)\b(?:\$\{(?:[^{}]|\{[^{}]*\})*\}|[^>])*>", path.read_text())
    written = [tag for tag in tags if re.search(r"\s(?:value|checked)=\$\{", tag) and 'type="checkbox"' not in tag]
    assert [tag for tag in written if not re.search(r"\son(?:Input|Change)=", tag)] == []
    assert [tag for tag in tags if re.search(r"\schecked=", tag)] == []


def test_libraries_have_the_hashes_of_the_list() -> None:
    assets = json.loads((STATIC.parent / "assets.json").read_text())
    chat = {asset["name"]: asset["integrity"] for asset in assets if asset["page"] == "chat"}
    assert {path.name for path in LIBRARIES.glob("*.js")} == set(chat)
    assert [name for name, integrity in chat.items() if not is_whole(LIBRARIES / name, integrity)] == []


def test_nothing_of_the_page_is_inline_or_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"""(?:src|href)="(?!/static/|data:,")""", page) == []
    assert re.findall(r"<script(?! type=\"importmap\">| type=\"module\" src=)", page) == []
    assert " style=" not in page
    assert "<style" not in page


def test_the_page_has_one_stylesheet_in_the_order_of_its_links() -> None:
    files = read_folder(STATIC)
    source = (STATIC / "index.html").read_text()
    page = join_styles(source, files)
    (path,) = re.findall(r'<link rel="stylesheet" href="/static/([^"]+)">', page)
    sheets = re.findall(r'<link rel="stylesheet" href="/static/([^"]+)">', source)
    assert {STATIC / sheet for sheet in sheets} == set((STATIC / "styles").glob("*.css"))
    assert files[path].body.decode() == "".join((STATIC / sheet).read_text() for sheet in sheets)


def test_all_modules_of_the_first_load_are_preloaded_once() -> None:
    files = {**read_folder(LIBRARIES), **read_folder(STATIC)}
    page = add_preloads((STATIC / "index.html").read_text(), files)
    modules = re.findall(r'<link rel="modulepreload" href="/static/([^"]+)">', page)
    assert len(modules) == len(set(modules))
    assert {"chat/screen.js", "lib/ui.js", "preact.js", "signals-core.js", "graphql-ws.js"} <= set(modules)
    assert set(modules).isdisjoint(
        {"app.js", "marked.js", "lib/stream.js", "knowledge/screen.js", "developer/panel.js"}
    )
    assert page.index("importmap") < page.index("modulepreload") < page.index('src="/static/app.js"')


@pytest.mark.parametrize(
    ("script", "imports"),
    [
        ('import "./b.js";', ["lib/b.js"]),
        ('import {\n  one,\n  two,\n} from "../c.js";', ["c.js"]),
        ('import{a}from"x";import*as c from"../c.js";export{d}from"./b.js";', ["x.js", "c.js", "lib/b.js"]),
        ('const later = () => import("./b.js");\nexport const text = "import";', []),
    ],
)
def test_imports_of_a_module_are_found_as_browsers_find_them(script: str, imports: list[str]) -> None:
    texts = {"lib/a.js": script, "lib/b.js": "", "c.js": "", "x.js": ""}
    files = {path: StaticFile.of(text.encode(), "text/javascript") for path, text in texts.items()}
    assert imported_modules("lib/a.js", {"x": "/static/x.js"}, files) == imports
