"""What a model may be: names, addresses and keys that make sense."""

import re
from dataclasses import asdict, dataclass, fields
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic.alias_generators import to_camel

from nexent_gql.domains.models.providers import PROVIDERS, VECTOR_DIALECTS, ModelProviderName, Provider, provider_of
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.patch import UNSET, Unset
from nexent_gql.kernel.text import Path, secret, single_line
from nexent_gql.kernel.urls import web_url_problem
from nexent_gql.ports.llm import Dialect, ModelDeadlines, ModelKind, ModelProfile, ReasoningEffort, Verbosity
from nexent_gql.ports.llm_limits import NO_LIMITS, ModelLimits

MAX_NAME_CHARS = 100
MAX_MODEL_NAME_CHARS = 200
MAX_URL_CHARS = 2_000
MAX_KEY_CHARS = 4_000
MAX_TOKENS = 100_000_000
MAX_REQUESTS = 1_000_000
MAX_DIMENSIONS = 16_000  # what the vector type of PostgreSQL holds
MAX_BATCH_SIZE = 2_048
MAX_TEMPERATURE = 2.0
MAX_DEADLINE_S = 7_200.0
_UNKNOWN = ModelProfile()
_NO_DEADLINES = ModelDeadlines()
_API_VERSION = re.compile(r"[A-Za-z0-9.-]{1,40}")
_HINT_CHARS = 4
MAX_RESPONSE_CACHE_S = 7 * 86_400
_MIN_KEY_CHARS_FOR_HINT = 12
_MISTAKEN_SUFFIXES = ("/chat/completions", "/messages", "/responses", "/embeddings", "/rerank")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a model is for, and how it is reached; without `base_url`, at the provider's usual address.

    One of `dialect` and `provider` must be set; each fills in the other.
    """

    dialect: Dialect | None
    model_name: str
    base_url: str | None = None
    api_key: SecretStr | None = None
    provider: ModelProviderName | None = None
    api_version: str | None = None
    profile: ModelProfile = _UNKNOWN
    deadlines: ModelDeadlines = _NO_DEADLINES
    limits: ModelLimits = NO_LIMITS
    kind: ModelKind = ModelKind.CHAT
    response_cache_s: int | None = None


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """A configuration that keeps the rules, with dialect and address filled in."""

    dialect: Dialect
    provider: ModelProviderName | None
    model_name: str
    base_url: str
    api_key: SecretStr | None
    api_version: str | None
    profile: ModelProfile
    deadlines: ModelDeadlines
    limits: ModelLimits = NO_LIMITS
    kind: ModelKind = ModelKind.CHAT
    response_cache_s: int | None = None


@dataclass(frozen=True, slots=True)
class ModelPatch:
    """What to change; `base_url` None is the provider's usual address, `api_key` None removes the key.

    A model keeps its kind and its dialect: another one is another model.
    """

    name: str | Unset = UNSET
    model_name: str | Unset = UNSET
    base_url: str | Unset | None = UNSET
    api_key: SecretStr | Unset | None = UNSET
    api_version: str | Unset | None = UNSET
    profile: ModelProfile | Unset = UNSET
    deadlines: ModelDeadlines | Unset = UNSET
    limits: ModelLimits | Unset = UNSET
    response_cache_s: int | Unset | None = UNSET


def checked_name(name: str) -> str:
    """Return a display name as it is stored.

    Raises:
        InvalidInputError: It is empty, longer than 100 characters, or more than a line.
    """
    return single_line(name, "name", max_chars=MAX_NAME_CHARS)


def checked(config: ModelConfig) -> CheckedConfig:
    """Return `config` as it is stored, with dialect and address in place.

    Raises:
        InvalidInputError: A field breaks a rule, or does not fit the provider; the error names it.
    """
    dialect = _dialect(config)
    model_name = single_line(config.model_name, "providerModel", max_chars=MAX_MODEL_NAME_CHARS)
    if dialect.is_built_in:
        _refuse(config.base_url, "baseUrl")
        _refuse(config.api_key, "apiKey")
    base_url = "" if dialect.is_built_in else checked_url(_address(config, dialect))
    provider = provider_of(dialect, base_url) if config.provider is None else PROVIDERS[config.provider]
    _check_kind(config.kind, provider, dialect)
    return CheckedConfig(
        dialect=dialect,
        model_name=model_name,
        base_url=base_url,
        api_key=None if config.api_key is None else checked_key(config.api_key),
        provider=config.provider,
        api_version=_checked_version(config.api_version, provider),
        profile=_checked_profile(config.profile),
        deadlines=_checked_deadlines(config.deadlines),
        limits=_checked_limits(config.limits),
        kind=config.kind,
        response_cache_s=_checked_cache(config.response_cache_s, config.kind),
    )


def _check_kind(kind: ModelKind, provider: Provider, dialect: Dialect) -> None:
    if kind not in provider.kinds:
        offered = ", ".join(provider.kinds)
        raise InvalidInputError(f"{provider.title} has no models of this kind here; it has {offered}.", path=("kind",))
    if kind is not ModelKind.CHAT and dialect not in VECTOR_DIALECTS:
        raise InvalidInputError(f"Models of this kind support the dialect {Dialect.OPENAI}.", path=("dialect",))


def _dialect(config: ModelConfig) -> Dialect:
    if config.provider is None:
        if config.dialect is None:
            raise InvalidInputError("Name the provider, or the dialect that it supports.", path=("provider",))
        return config.dialect
    provider = PROVIDERS[config.provider]
    dialect = config.dialect or provider.dialects[0]
    if dialect not in provider.dialects:
        spoken = ", ".join(provider.dialects)
        raise InvalidInputError(f"{provider.title} does not support this dialect; use {spoken}.", path=("dialect",))
    return dialect


_USUAL_URLS = {
    Dialect.OPENAI: "https://api.openai.com/v1",
    Dialect.ANTHROPIC: "https://api.anthropic.com/v1",
    Dialect.RESPONSES: "https://api.openai.com/v1",
}


def _address(config: ModelConfig, dialect: Dialect) -> str:
    usual_url = _USUAL_URLS[dialect] if config.provider is None else PROVIDERS[config.provider].base_url
    url = config.base_url or usual_url
    if url is None:
        raise InvalidInputError("This provider has no usual address; enter the base URL.", path=("baseUrl",))
    return url


def _checked_version(version: str | None, provider: Provider) -> str | None:
    if version is None:
        return None
    if provider.name is not ModelProviderName.AZURE_OPENAI:
        raise InvalidInputError("Only Azure OpenAI has API versions.", path=("apiVersion",))
    if not _API_VERSION.fullmatch(version):
        raise InvalidInputError("An API version looks like 2024-10-21 or preview.", path=("apiVersion",))
    return version


def _checked_profile(profile: ModelProfile) -> ModelProfile:
    sizes = (
        ("contextWindowTokens", profile.context_window_tokens, MAX_TOKENS),
        ("maxOutputTokens", profile.max_output_tokens, MAX_TOKENS),
        ("maxInputTokens", profile.max_input_tokens, MAX_TOKENS),
        ("dimensions", profile.dimensions, MAX_DIMENSIONS),
        ("batchSize", profile.batch_size, MAX_BATCH_SIZE),
    )
    for name, size, limit in sizes:
        if size is not None and not 1 <= size <= limit:
            raise InvalidInputError(f"It must be between 1 and {limit:,}.", path=("profile", name))
    if profile.temperature is not None and not 0 <= profile.temperature <= MAX_TEMPERATURE:
        message = f"It must be between 0 and {MAX_TEMPERATURE:g}."
        raise InvalidInputError(message, path=("profile", "temperature"))
    return profile


def _checked_deadlines(deadlines: ModelDeadlines) -> ModelDeadlines:
    for name, limit_s in asdict(deadlines).items():
        if limit_s is not None and not 0 < limit_s <= MAX_DEADLINE_S:
            field = {"connect_s": "connect", "first_byte_s": "firstByte", "first_content_s": "firstContent"}.get(
                name, name.removesuffix("_s")
            )
            message = f"It must be more than 0 and at most {MAX_DEADLINE_S:,.0f} seconds."
            raise InvalidInputError(message, path=("deadlines", f"{field}Seconds"))
    return deadlines


def _checked_cache(seconds: int | None, kind: ModelKind) -> int | None:
    path = ("responseCacheSeconds",)
    if seconds is not None and kind is not ModelKind.CHAT:
        raise InvalidInputError("Only answers of CHAT models are cached by this setting.", path=path)
    if seconds is not None and not 1 <= seconds <= MAX_RESPONSE_CACHE_S:
        raise InvalidInputError(f"It must be between 1 and {MAX_RESPONSE_CACHE_S:,}.", path=path)
    return seconds


def _checked_limits(limits: ModelLimits) -> ModelLimits:
    maxima = {"requests_per_minute": MAX_REQUESTS, "tokens_per_minute": MAX_TOKENS, "concurrent_requests": MAX_REQUESTS}
    for name, limit in asdict(limits).items():
        if limit is not None and not 1 <= limit <= maxima[name]:
            raise InvalidInputError(f"It must be between 1 and {maxima[name]:,}.", path=("limits", to_camel(name)))
    return limits


def to_json(value: ModelProfile | ModelDeadlines | ModelLimits) -> JsonObject:
    """Return what is set, as it is stored."""
    return {name: each for name, each in asdict(value).items() if each is not None}


def profile_from_json(stored: JsonObject) -> ModelProfile:
    """Read back a profile; what a later release added is ignored."""
    names = {field.name for field in fields(ModelProfile)}
    values = {name: value for name, value in stored.items() if name in names}
    for name, choices in (("reasoning_effort", ReasoningEffort), ("verbosity", Verbosity)):
        value = values.pop(name, None)
        if isinstance(value, str) and value in {*choices}:
            values[name] = choices(value)
    return ModelProfile(**values)  # pyright: ignore[reportArgumentType]


def deadlines_from_json(stored: JsonObject) -> ModelDeadlines:
    """Read back deadlines; what a later release added is ignored."""
    names = {field.name for field in fields(ModelDeadlines)}
    return ModelDeadlines(**{name: value for name, value in stored.items() if name in names})  # pyright: ignore[reportArgumentType]


def limits_from_json(stored: JsonObject) -> ModelLimits:
    """Read back limits; what a later release added is ignored."""
    names = {field.name for field in fields(ModelLimits)}
    return ModelLimits(**{name: value for name, value in stored.items() if name in names})  # pyright: ignore[reportArgumentType]


def merged_profile(edited: ModelProfile, learned: ModelProfile) -> ModelProfile:
    """Return what people entered, and where they entered nothing, what a check has learned."""
    return ModelProfile(**{**to_json(learned), **to_json(edited)})  # pyright: ignore[reportArgumentType]


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
    """Return the last four characters; None for keys so short that these would reveal too much."""
    text = key.get_secret_value() if key else ""
    return text[-_HINT_CHARS:] if len(text) >= _MIN_KEY_CHARS_FOR_HINT else None


def merged(row: ChatModel, patch: ModelPatch) -> CheckedConfig:
    """Return the checked configuration after a change; without `api_key`, the stored key stays.

    Raises:
        InvalidInputError: As `checked`; or a stored key would go to another server than it was entered for.
    """
    config = checked(
        ModelConfig(
            dialect=Dialect(row.dialect),
            provider=ModelProviderName(row.provider) if row.provider else None,
            model_name=row.model_name if patch.model_name is UNSET else patch.model_name,
            base_url=row.base_url if patch.base_url is UNSET else patch.base_url,
            api_key=None if patch.api_key is UNSET else patch.api_key,
            api_version=row.api_version if patch.api_version is UNSET else patch.api_version,
            profile=profile_from_json(row.profile) if patch.profile is UNSET else patch.profile,
            deadlines=deadlines_from_json(row.deadlines) if patch.deadlines is UNSET else patch.deadlines,
            limits=limits_from_json(row.limits) if patch.limits is UNSET else patch.limits,
            kind=ModelKind(row.kind),
            response_cache_s=row.response_cache_s if patch.response_cache_s is UNSET else patch.response_cache_s,
        )
    )
    stays = row.api_key_sealed is not None and patch.api_key is UNSET
    if stays and _origin(config.base_url) != _origin(row.base_url):
        message = "With another server in baseUrl, enter the key again, or null for none."
        raise InvalidInputError(message, path=("apiKey",))
    return config


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _refuse(value: object, field: str) -> None:
    if value:
        raise InvalidInputError("Models that are built in take no address and no key.", path=(field,))
