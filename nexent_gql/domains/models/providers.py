"""Providers of models, as data: where each is reached, which dialects it supports, and its special rules."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from nexent_gql.ports.llm import AuthStyle, Dialect, ModelKind


class ModelProviderName(StrEnum):
    """The providers that are known by name."""

    OPENAI = "OPENAI"
    AZURE_OPENAI = "AZURE_OPENAI"
    ANTHROPIC = "ANTHROPIC"
    GEMINI = "GEMINI"
    DEEPSEEK = "DEEPSEEK"
    DASHSCOPE = "DASHSCOPE"
    SILICONFLOW = "SILICONFLOW"
    MOONSHOT = "MOONSHOT"
    ZHIPU = "ZHIPU"
    MISTRAL = "MISTRAL"
    GROQ = "GROQ"
    OPENROUTER = "OPENROUTER"
    OLLAMA = "OLLAMA"
    VLLM = "VLLM"
    SGLANG = "SGLANG"
    LLAMA_CPP = "LLAMA_CPP"
    LM_STUDIO = "LM_STUDIO"
    LITELLM = "LITELLM"
    COMPATIBLE = "COMPATIBLE"
    COHERE = "COHERE"
    JINA = "JINA"
    OFFLINE = "OFFLINE"
    LOCAL = "LOCAL"


_OF_OPENAI = frozenset({"prompt_cache_key"})
"""Parameters that OpenAI alone is known to take; other servers may refuse what they do not know."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider.

    Attributes:
        dialects: The dialects that it supports; the first is the default.
        base_url: Where it is reached unless the model has an address of its own; None: it must have one.
        needs_key: Whether it refuses calls without a key.
        unsupported: Request parameters that it refuses, by their name in the request.
        hosts: Hosts, or ends of hosts, by which a base URL is recognised as this provider's.
        kinds: What its models can be for.
        batch_size: The most texts of one request to its embedding models; None: as many as are usually sent.
    """

    name: ModelProviderName
    title: str
    dialects: tuple[Dialect, ...] = (Dialect.OPENAI,)
    base_url: str | None = None
    needs_key: bool = True
    auth: AuthStyle = AuthStyle.DIALECT
    unsupported: frozenset[str] = _OF_OPENAI
    hosts: tuple[str, ...] = ()
    kinds: tuple[ModelKind, ...] = (ModelKind.CHAT, ModelKind.EMBEDDING)
    batch_size: int | None = None


_OPENAI_DIALECTS = (Dialect.OPENAI, Dialect.RESPONSES)
_ANY = (Dialect.OPENAI, Dialect.RESPONSES, Dialect.ANTHROPIC)
_ALL_KINDS = tuple(ModelKind)
VECTOR_DIALECTS = (Dialect.OPENAI, Dialect.LOCAL)
"""Dialects with embedding and reranking models; of OPENAI these are the paths `/embeddings` and `/rerank`."""

PROVIDERS: dict[ModelProviderName, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            ModelProviderName.OPENAI,
            "OpenAI",
            _OPENAI_DIALECTS,
            "https://api.openai.com/v1",
            unsupported=frozenset({"max_tokens"}),  # its reasoning models take max_completion_tokens only
            hosts=("api.openai.com",),
        ),
        Provider(
            ModelProviderName.AZURE_OPENAI,
            "Azure OpenAI",
            _OPENAI_DIALECTS,
            auth=AuthStyle.API_KEY_HEADER,
            unsupported=frozenset(),
            hosts=(".openai.azure.com", ".cognitiveservices.azure.com"),
        ),
        Provider(
            ModelProviderName.ANTHROPIC,
            "Anthropic",
            (Dialect.ANTHROPIC,),
            "https://api.anthropic.com/v1",
            hosts=("api.anthropic.com",),
            kinds=(ModelKind.CHAT,),
        ),
        Provider(
            ModelProviderName.GEMINI,
            "Google Gemini",
            base_url="https://generativelanguage.googleapis.com/v1beta/openai",
            hosts=("generativelanguage.googleapis.com",),
        ),
        Provider(
            ModelProviderName.DEEPSEEK,
            "DeepSeek",
            (Dialect.OPENAI, Dialect.ANTHROPIC),
            "https://api.deepseek.com",
            hosts=("api.deepseek.com",),
            kinds=(ModelKind.CHAT,),
        ),
        Provider(
            ModelProviderName.DASHSCOPE,
            "Alibaba Cloud DashScope (Qwen)",
            base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
            unsupported=_OF_OPENAI | {"encoding_format"},  # its embeddings are numbers only
            hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com"),
            batch_size=10,
        ),
        Provider(
            ModelProviderName.SILICONFLOW,
            "SiliconFlow",
            base_url="https://api.siliconflow.cn/v1",
            hosts=("api.siliconflow.cn", "api.siliconflow.com"),
            kinds=_ALL_KINDS,
            batch_size=32,
        ),
        Provider(
            ModelProviderName.MOONSHOT,
            "Moonshot AI (Kimi)",
            base_url="https://api.moonshot.cn/v1",
            hosts=("api.moonshot.cn", "api.moonshot.ai"),
            kinds=(ModelKind.CHAT,),
        ),
        Provider(
            ModelProviderName.ZHIPU,
            "Zhipu AI (GLM)",
            base_url="https://open.bigmodel.cn/api/paas/v4",
            hosts=("open.bigmodel.cn", "api.z.ai"),
        ),
        Provider(
            ModelProviderName.MISTRAL,
            "Mistral AI",
            base_url="https://api.mistral.ai/v1",
            unsupported=_OF_OPENAI | {"stream_options"},  # it refuses unknown fields, and sends usage anyway
            hosts=("api.mistral.ai",),
        ),
        Provider(
            ModelProviderName.GROQ,
            "Groq",
            _OPENAI_DIALECTS,
            "https://api.groq.com/openai/v1",
            hosts=("api.groq.com",),
        ),
        Provider(
            ModelProviderName.OPENROUTER,
            "OpenRouter",
            _OPENAI_DIALECTS,
            "https://openrouter.ai/api/v1",
            hosts=("openrouter.ai",),
        ),
        Provider(ModelProviderName.OLLAMA, "Ollama", base_url="http://localhost:11434/v1", needs_key=False),
        Provider(ModelProviderName.VLLM, "vLLM", _ANY, "http://localhost:8000/v1", needs_key=False, kinds=_ALL_KINDS),
        Provider(
            ModelProviderName.SGLANG, "SGLang", base_url="http://localhost:30000/v1", needs_key=False, kinds=_ALL_KINDS
        ),
        Provider(
            ModelProviderName.LLAMA_CPP,
            "llama.cpp server",
            _ANY,
            "http://localhost:8080/v1",
            needs_key=False,
            kinds=_ALL_KINDS,
        ),
        Provider(ModelProviderName.LM_STUDIO, "LM Studio", _ANY, "http://localhost:1234/v1", needs_key=False),
        Provider(
            ModelProviderName.LITELLM,
            "LiteLLM proxy",
            _ANY,
            "http://localhost:4000/v1",
            needs_key=False,
            kinds=_ALL_KINDS,
        ),
        Provider(ModelProviderName.COMPATIBLE, "Any compatible server", _ANY, needs_key=False, kinds=_ALL_KINDS),
        Provider(
            ModelProviderName.COHERE,
            "Cohere",
            base_url="https://api.cohere.com/v2",
            hosts=("api.cohere.com",),
            kinds=(ModelKind.RERANK,),
        ),
        Provider(
            ModelProviderName.JINA,
            "Jina AI",
            base_url="https://api.jina.ai/v1",
            hosts=("api.jina.ai",),
            kinds=(ModelKind.EMBEDDING, ModelKind.RERANK),
        ),
        Provider(
            ModelProviderName.OFFLINE,
            "Offline (built in)",
            (Dialect.OFFLINE,),
            needs_key=False,
            kinds=(ModelKind.CHAT,),
        ),
        Provider(
            ModelProviderName.LOCAL,
            "Local embedding (built in)",
            (Dialect.LOCAL,),
            needs_key=False,
            kinds=(ModelKind.EMBEDDING, ModelKind.RERANK),
        ),
    )
}


def provider_of(dialect: Dialect, base_url: str) -> Provider:
    """Return the provider of a model that was registered without one, by the host of its base URL."""
    if dialect.is_built_in:
        return PROVIDERS[ModelProviderName(dialect)]
    host = (urlsplit(base_url).hostname or "").lower()
    for provider in PROVIDERS.values():
        if any(host.endswith(end) if end.startswith(".") else host == end for end in provider.hosts):
            return provider
    return PROVIDERS[ModelProviderName.COMPATIBLE]


def call_url(provider: Provider, base_url: str, model_name: str, api_version: str | None) -> str:
    """Return the base URL of calls.

    Azure's resources are registered by host alone: without an API version the v1 paths are used, with one those of the
    deployment, which is named like the model.
    """
    if provider.name is not ModelProviderName.AZURE_OPENAI or urlsplit(base_url).path.strip("/"):
        return base_url
    return f"{base_url}/openai/deployments/{model_name}" if api_version else f"{base_url}/openai/v1"
