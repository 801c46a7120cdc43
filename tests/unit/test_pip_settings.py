"""uv is told what pip is configured with."""

import sys
from pathlib import Path

import pytest

from scripts.pip_settings import parse, translate, uv_environment

LISTING = """\
:env:.timeout='30'
global.index-url='https://index.example/simple'
global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/simple'
global.timeout='15'
install.index-url='https://other.example/simple'
"""


def test_the_environment_wins_over_a_section_and_a_section_over_global() -> None:
    settings = parse(LISTING)
    assert settings["timeout"] == "30"
    assert settings["index-url"] == "https://other.example/simple"


def test_settings_get_the_names_that_uv_knows() -> None:
    assert translate(parse(LISTING)) == {
        "UV_DEFAULT_INDEX": "https://other.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_HTTP_TIMEOUT": "30",
    }


def test_lists_are_glued_and_paths_are_not_torn() -> None:
    settings = {"find-links": "/a /b", "cert": "/etc/my certificates.pem", "trusted-host": "h", "unknown": "x"}
    assert translate(settings) == {
        "UV_FIND_LINKS": "/a,/b",
        "SSL_CERT_FILE": "/etc/my certificates.pem",
        "UV_INSECURE_HOST": "h",
    }


def test_no_index_means_offline() -> None:
    assert translate({"no-index": "true"}) == {"UV_OFFLINE": "1"}
    assert translate({"no-index": "false"}) == {}


def test_what_is_set_for_uv_wins_and_a_missing_home_gets_another_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    monkeypatch.setenv("PIP_TIMEOUT", "7")
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    environment = uv_environment(sys.executable)
    assert environment["UV_DEFAULT_INDEX"] == "https://uv.example/simple"
    assert environment["UV_HTTP_TIMEOUT"] == "7"
    assert Path(environment["UV_CACHE_DIR"]).name.startswith("uv-cache-")
