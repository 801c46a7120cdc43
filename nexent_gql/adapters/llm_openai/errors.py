"""What a provider's refusals mean, in sentences that say what to do."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from nexent_gql.kernel.errors import Detail
from nexent_gql.kernel.json import Json, loads
from nexent_gql.ports.llm import (
    ModelContextTooLongError,
    ModelError,
    ModelKeyRefusedError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelProtocolError,
    ModelQuotaExhaustedError,
    ModelRateLimitedError,
    ModelRequestRefusedError,
    ModelStreamBrokenError,
    ModelTimeoutError,
)

MAX_REASON_CHARS = 500
SECRETS = re.compile(r"\b(?:sk|pk|rk|gsk|xai)[-_][\w*.\-]{6,}|(?<=Bearer )\S+|\S*\*{3,}\S*", re.IGNORECASE)

SENTENCES: dict[type[ModelError], str] = {
    ModelKeyRefusedError: "The provider refused the API key. Check the key, and that it may use this model.",
    ModelNotFoundError: "The provider has no such model. Check the model's name.",
    ModelQuotaExhaustedError: "The account behind the API key has no credit left. Top it up, or use another key.",
    ModelRateLimitedError: "The provider limits how often it is asked. Wait a little, then try again.",
    ModelOverloadedError: "The provider is overloaded or has a fault of its own. Try again in a moment.",
    ModelTimeoutError: "The provider took too long. Try again in a moment.",
    ModelStreamBrokenError: "The provider reported a fault in the middle of the answer. Try again.",
    ModelContextTooLongError: "The conversation is too long for this model. Start a new one, or use a model with a "
    "larger context window.",
    ModelRequestRefusedError: "The provider refused the request. Its reason says what it did not like.",
}

NO_SUCH_PATH = "There is no chat completions API at this base URL. It usually ends in /v1."
REDIRECTED = "The base URL leads to another address. Enter the final one; redirects are not followed."

WORDS: tuple[tuple[type[ModelError], tuple[str, ...]], ...] = (
    (
        ModelContextTooLongError,
        (
            "context_length|context length|context window|maximum (?:context|prompt)|prompt is too long",
            "input is too long|too many (?:input )?tokens|reduce the length|exceeds? the (?:model's )?max",
        ),
    ),
    (ModelQuotaExhaustedError, ("insufficient[_ ](?:quota|balance|credit|funds)|exceeded your current quota|billing",)),
    (ModelKeyRefusedError, ("invalid_api_key|api_key_invalid|(?:incorrect|invalid) api[ _]key|api key not valid",)),
    (
        ModelNotFoundError,
        (
            "model_not_found|unknown model|no such model",
            "model[^.]{0,80}(?:does not exist|not found|not exist|is not available)",
        ),
    ),
    (ModelRateLimitedError, ("rate[_ ]?limit|too many requests|throttl",)),
    (ModelRequestRefusedError, ("content[_ ](?:filter|policy)|data_inspection|safety",)),
    (ModelOverloadedError, ("overload|over capacity|unavailable|server_error|internal (?:server )?error",)),
)
BY_WORDS = [(re.compile("|".join(words), re.IGNORECASE), kind) for kind, words in WORDS]

BY_STATUS: dict[int, type[ModelError]] = {
    401: ModelKeyRefusedError,
    402: ModelQuotaExhaustedError,
    403: ModelKeyRefusedError,
    404: ModelNotFoundError,
    405: ModelNotFoundError,
    408: ModelTimeoutError,
    413: ModelContextTooLongError,
    429: ModelRateLimitedError,
}

WORDS_DECIDE = {
    400: (ModelContextTooLongError, ModelKeyRefusedError, ModelNotFoundError, ModelQuotaExhaustedError),
    403: (ModelQuotaExhaustedError, ModelNotFoundError, ModelRequestRefusedError),
    422: (ModelContextTooLongError, ModelNotFoundError),
    429: (ModelQuotaExhaustedError,),
    500: (ModelContextTooLongError,),
}
"""Where the words of the provider may overrule its status: these kinds only."""


def error_of_status(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """Translate an answer that is not 200."""
    told = loaded(body)
    reason, code = reason_of(told), code_of(told)
    if status < HTTPStatus.BAD_REQUEST:
        return ModelProtocolError(REDIRECTED, cause="REDIRECT", status=status)
    kind = kind_of_status(status)
    worded = by_words(f"{code} {reason}")
    if worded is not None and worded in WORDS_DECIDE.get(status, ()):
        kind = worded
    details: dict[str, Detail] = {"status": status}
    if reason:
        details["reason"] = reason
    if (retry_after_s := retry_after_of(headers)) is not None:
        details["retry_after_s"] = retry_after_s
    if status in {404, 405} and worded is not ModelNotFoundError:
        return kind(NO_SUCH_PATH, cause="PATH", **details)
    return kind(SENTENCES[kind], **details)


def error_in_stream(told: Json) -> ModelError:
    """Translate an error that came as a frame, after a status of 200."""
    reason, code = reason_of({"error": told}), code_of({"error": told})
    kind = by_words(f"{code} {reason}") or (kind_of_status(int(code)) if is_status(code) else ModelStreamBrokenError)
    return kind(SENTENCES[kind], **({"reason": reason} if reason else {}))


def kind_of_status(status: int) -> type[ModelError]:
    """Return what a status from 400 on means by itself."""
    by_class = ModelOverloadedError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ModelRequestRefusedError
    return BY_STATUS.get(status, by_class)


def is_status(code: str) -> bool:
    """Tell whether an error code is an HTTP status, as aggregators use them."""
    return re.fullmatch(r"[45]\d\d", code) is not None


def by_words(text: str) -> type[ModelError] | None:
    """Return the kind of error that the provider's words describe."""
    return next((kind for words, kind in BY_WORDS if words.search(text)), None)


def loaded(body: bytes) -> Json:
    """Return the body as JSON, or None when it is something else (a proxy's web page, say)."""
    try:
        return loads(body)
    except ValueError:
        return None


def reason_of(told: Json) -> str:
    """Return the provider's own words; vendors differ in where they put them."""
    if isinstance(told, list):  # Gemini wraps the error into a list
        return reason_of(told[0]) if told else ""
    if isinstance(told, dict):
        inner = next((told[name] for name in ("error", "message", "detail", "msg") if told.get(name)), "")
        return reason_of(inner)
    return " ".join(str(told).split()) if told else ""


def code_of(told: Json) -> str:
    """Return the provider's error code, or its error type."""
    if isinstance(told, list):
        return code_of(told[0]) if told else ""
    if not isinstance(told, dict):
        return ""
    inner = told.get("error")
    if isinstance(inner, dict):
        return code_of(inner)
    return str(told.get("code") or told.get("type") or "")


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that the provider named, as a number or as a date; None when it named none."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after", "")
        if not value:
            return None
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def scrubbed(error: ModelError, key: str) -> ModelError:
    """Return the error without the key, whole or as providers quote it."""
    error.message = without_secrets(error.message, key)
    error.args = (error.message,)
    error.details = {
        name: without_secrets(value, key) if isinstance(value, str) else value for name, value in error.details.items()
    }
    return error


def without_secrets(text: str, key: str) -> str:
    """Replace the key and all that looks like one, then shorten: the other way round half a key could stay."""
    if key:
        text = text.replace(key, "****")
    return SECRETS.sub("****", text)[:MAX_REASON_CHARS]
