"""Which web addresses are accepted, and what an operator's list of targets covers."""

import pytest

from nexent_gql.cli.up import local_defaults
from nexent_gql.kernel.urls import Target, web_url_problem
from nexent_gql.runtime import allowed_targets
from nexent_gql.settings import OutboundSettings, SeedSettings, SettingsError

GOOD = (
    "https://api.openai.com/v1",
    "http://localhost:11434/v1",
    "http://127.0.0.1:1234/v1",
    "http://[::1]:8080/v1",
    "https://xn--bcher-kva.example/v1",
    "https://my_host.internal./openai/deployments/gpt%204",
    "https://llm.example",
)


@pytest.mark.parametrize("url", GOOD)
def test_usual_addresses_are_accepted(url: str) -> None:
    assert web_url_problem(url) is None


@pytest.mark.parametrize(
    ("entry", "host", "address", "port", "is_covered"),
    [
        ("ollama.internal", "Ollama.Internal.", "10.0.0.7", 11434, True),
        ("ollama.internal", "evil.ollama.internal", "10.0.0.7", 11434, False),
        ("ollama.internal:11434", "ollama.internal", "10.0.0.7", 11434, True),
        ("ollama.internal:11434", "ollama.internal", "10.0.0.7", 5432, False),
        ("10.1.0.0/16", "anything", "10.1.2.3", 5432, True),
        ("10.1.0.0/16", "anything", "10.2.2.3", 443, False),
        ("127.0.0.1", "localhost", "127.0.0.1", 8000, True),
        ("127.0.0.1:8000", "localhost", "127.0.0.1", 8001, False),
        ("[::1]:8000", "localhost", "::1", 8000, True),
        ("::1", "localhost", "127.0.0.1", 8000, False),
        ("10.1.0.0/16", "anything", "", 80, False),
    ],
)
def test_a_target_covers_what_it_names(entry: str, host: str, address: str, port: int, *, is_covered: bool) -> None:
    assert Target.parse(entry).covers(host, address, port) is is_covered


@pytest.mark.parametrize(
    "entry", ["", "a/b", "http://a", "a@b", "a:b", "a b", "300.1.1.1", "10.0.0.0/99", "a:99999", "*"]
)
def test_nonsense_is_no_target(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Target.parse(entry)
    with pytest.raises(ValueError, match=r"."):
        OutboundSettings(allowed=(entry,))


@pytest.mark.parametrize(
    ("base_url", "host", "port"),
    [
        ("http://localhost:11434/v1", "localhost", 11434),
        ("https://llm.internal/v1", "llm.internal", 443),
        ("http://[fd00::5]/v1", "", 80),
    ],
)
def test_the_model_of_the_environment_is_always_in_reach(base_url: str, host: str, port: int) -> None:
    (target,) = allowed_targets(OutboundSettings(), SeedSettings(openai_base_url=base_url))
    assert target.covers(host, "fd00::5", port)
    assert not target.covers(host, "fd00::5", port + 1)


def test_a_model_of_the_environment_without_a_host_is_named() -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        allowed_targets(OutboundSettings(), SeedSettings(openai_base_url="/v1"))


SIGN_UP, REACH = "NEXENT_AUTH__SIGN_UP", "NEXENT_OUTBOUND__REACH"


@pytest.mark.parametrize(
    ("host", "environment", "expected"),
    [
        ("127.0.0.1", {}, {SIGN_UP: "false", REACH: "any"}),
        ("localhost", {}, {SIGN_UP: "false", REACH: "any"}),
        ("::1", {SIGN_UP: ""}, {SIGN_UP: "false", REACH: "any"}),
        ("127.0.0.1", {SIGN_UP: "true"}, {}),
        ("127.0.0.1", {SIGN_UP: "False"}, {SIGN_UP: "false", REACH: "any"}),
        ("127.0.0.1", {REACH: "public"}, {SIGN_UP: "false", REACH: "public"}),
        ("0.0.0.0", {}, {}),  # noqa: S104 - compared only
        ("192.168.1.5", {}, {}),
    ],
)
def test_only_a_server_for_this_machine_reaches_it_without_a_setting(
    host: str, environment: dict[str, str], expected: dict[str, str]
) -> None:
    assert local_defaults(host, environment) == expected


def test_strangers_do_not_reach_inner_networks_by_default() -> None:
    assert OutboundSettings().reach == "public"
