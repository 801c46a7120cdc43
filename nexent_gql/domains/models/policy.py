"""What a model may be: names, addresses and keys that make sense."""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from pydantic import SecretStr

from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.patch import UNSET, Unset
from nexent_gql.kernel.text import Path, secret, single_line
from nexent_gql.kernel.urls import web_url_problem
from nexent_gql.ports.llm import Dialect

MAX_NAME_CHARS = 100
MAX_MODEL_NAME_CHARS = 200
MAX_URL_CHARS = 2_000
MAX_KEY_CHARS = 4_000
BASE_URLS = {
    Dialect.OPENAI: "https://api.openai.com/v1",
    Dialect.ANTHROPIC: "https://api.anthropic.com/v1",
    Dialect.RESPONSES: "https://api.openai.com/v1",
}
_HINT_CHARS = 4
_MIN_KEY_CHARS_FOR_HINT = 12
_MISTAKEN_SUFFIXES = ("/chat/completions", "/messages", "/responses")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """How a model is reached; without `base_url`, the dialect's usual address."""

    dialect: Dialect
    model_name: str
    base_url: str | None = None
    api_key: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class ModelPatch:
    """What to change; `base_url` None is the dialect's usual address, `api_key` None removes the key.

    A model keeps its dialect: another one is another model.
    """

    name: str | Unset = UNSET
    model_name: str | Unset = UNSET
    base_url: str | Unset | None = UNSET
    api_key: SecretStr | Unset | None = UNSET


def checked_name(name: str) -> str:
    """Return a display name as it is stored.

    Raises:
        InvalidInputError: It is empty, longer than 100 characters, or more than a line.
    """
    return single_line(name, "name", max_chars=MAX_NAME_CHARS)


def checked(config: ModelConfig) -> ModelConfig:
    """Return `config` as it is stored, with the address in place.

    Raises:
        InvalidInputError: A field breaks a rule, or does not fit the dialect; the error names it.
    """
    model_name = single_line(config.model_name, "providerModel", max_chars=MAX_MODEL_NAME_CHARS)
    if config.dialect is Dialect.OFFLINE:
        _refuse(config.base_url, "baseUrl")
        _refuse(config.api_key, "apiKey")
        return replace(config, model_name=model_name, base_url="")
    return replace(
        config,
        model_name=model_name,
        base_url=checked_url(config.base_url or BASE_URLS[config.dialect]),
        api_key=None if config.api_key is None else checked_key(config.api_key),
    )


def checked_url(text: str, path: Path = ("baseUrl",)) -> str:
    """Return the address that the path of the dialect is added to, without a slash at its end.

    Raises:
        InvalidInputError: See `web_url_problem`.
    """
    url = single_line(text, *path, max_chars=MAX_URL_CHARS)
    if problem := web_url_problem(url):
        raise InvalidInputError(problem, path=path)
    url = url.rstrip("/")
    for suffix in _MISTAKEN_SUFFIXES:
        url = url.removesuffix(suffix)
    return url.rstrip("/")


def checked_key(key: SecretStr) -> SecretStr:
    """Return a key without space around it.

    Raises:
        InvalidInputError: It is empty, longer than 4,000 characters, or not printable ASCII.
    """
    return SecretStr(secret(key.get_secret_value(), "apiKey", max_chars=MAX_KEY_CHARS))


def key_hint(key: SecretStr | None) -> str | None:
    """Return the last four characters; None for keys so short that they would tell too much."""
    text = key.get_secret_value() if key else ""
    return text[-_HINT_CHARS:] if len(text) >= _MIN_KEY_CHARS_FOR_HINT else None


def merged(row: ChatModel, patch: ModelPatch) -> ModelConfig:
    """Return the checked configuration after a change; without `api_key`, the stored key stays.

    Raises:
        InvalidInputError: As `checked`; or a stored key would go to another server than it was entered for.
    """
    config = checked(
        ModelConfig(
            dialect=Dialect(row.dialect),
            model_name=row.model_name if patch.model_name is UNSET else patch.model_name,
            base_url=row.base_url if patch.base_url is UNSET else patch.base_url,
            api_key=None if patch.api_key is UNSET else patch.api_key,
        )
    )
    stays = row.api_key_sealed is not None and patch.api_key is UNSET
    if stays and _origin(config.base_url or "") != _origin(row.base_url):
        message = "With another server in baseUrl, enter the key again, or null for none."
        raise InvalidInputError(message, path=("apiKey",))
    return config


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _refuse(value: object, field: str) -> None:
    if value:
        raise InvalidInputError("The offline model takes no address and no key.", path=(field,))
