"""Settings of models that an agent may use: no database, no network."""

import pytest
from pydantic import SecretStr

from nexent_gql.domains.models.policy import ModelConfig, checked, checked_url, key_hint
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.ports.llm import Dialect


@pytest.mark.parametrize(
    ("address", "tidy_address"),
    [
        ("https://api.example/v1", "https://api.example/v1"),
        ("https://api.example/v1///", "https://api.example/v1"),
        ("https://api.example/v1/chat/completions/", "https://api.example/v1"),
        ("https://api.example/chat/completions/v1", "https://api.example/chat/completions/v1"),
        ("HTTP://10.0.0.1:8000", "HTTP://10.0.0.1:8000"),
        ("http://[2001:db8::1]/v1", "http://[2001:db8::1]/v1"),
        ("https://" + "a" * 1_992, "https://" + "a" * 1_992),
    ],
)
def test_an_address_is_tidied(address: str, tidy_address: str) -> None:
    assert checked_url(address) == tidy_address


@pytest.mark.parametrize(
    "address",
    [
        *("", "api.example", "//api.example/v1", "ws://api.example", "javascript:alert(1)", "http:api.example"),
        *("https://a:b@api.example", "https://@api.example", "https://api.example/?", "https://api.example/#"),
        *("https://api.example:70000", "https://api.example:-1", "https://[nonsense]"),
        *(
            "https://api.example\\@evil.example",
            "https://api example",
            "https://api.example/%\x7f",
            "https://exämple.org",
        ),
        "https://" + "a" * 1_993,
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        checked_url(address)
    assert refusal.value.path == ("baseUrl",)


def test_the_offline_dialect_needs_only_a_name() -> None:
    config = checked(ModelConfig(Dialect.OFFLINE, " offline ", "", None))
    assert (config.dialect, config.model_name, config.base_url, config.api_key) == (
        Dialect.OFFLINE,
        "offline",
        "",
        None,
    )


@pytest.mark.parametrize(("key", "hint"), [("sk-456789012", "9012"), ("sk-45678901", None), ("", None)])
def test_only_long_keys_have_a_hint(key: str, hint: str | None) -> None:
    assert key_hint(SecretStr(key)) == hint
    assert key_hint(None) is None


def test_a_configuration_never_shows_its_key() -> None:
    config = checked(ModelConfig(Dialect.OPENAI, "m", None, SecretStr("sk-canary-0123456789")))
    assert config.base_url == "https://api.openai.com/v1"
    assert "canary" not in repr(config)
