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
SECRETS = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|ghp|key)[-_][\w*.\-]{6,}|\bAIza[\w\-]{10,}|\beyJ[\w\-]{10,}[\w.\-]*"
    r"|(?<=Bearer )\S+|\S*\*{3,}\S*",
    re.IGNORECASE,
)

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
    ModelRequestRefusedError: "The provider refused the request. See its reason.",
}

NO_SUCH_PATH = "There is no model API at this base URL. It usually ends in /v1."
REDIRECTED = "The base URL leads to another address. Enter the final one; redirects are not followed."
REGION = (
    "The provider does not serve the country or region of this server. Use another provider or another route to it."
)
INTERPOSED = (
    "Something between this server and the provider refused the request: a proxy, a firewall or a bot check answered "
    "with a web page. Check the base URL, and the way through the network."
)

WORDS: tuple[tuple[type[ModelError], tuple[str, ...]], ...] = (
    (
        ModelRateLimitedError,
        (
            "tokens per (?:minute|day)|requests per (?:minute|day)|\\((?:tpm|rpm|tpd|rpd)\\)|rate_limit_exceeded",
            "please (?:retry|try again) in \\d",
        ),
    ),
    (
        ModelRequestRefusedError,
        ("max_(?:completion_|output_)?tokens[`'\"]? (?:\\(\\d+\\) )?(?:is too large|exceeds the max|must be)",),
    ),
    (
        ModelContextTooLongError,
        (
            "context[_ ](?:length|size|window)|context the overflows|maximum (?:context|prompt)|prompt is too long",
            "(?:input|prompt|request|messages?) (?:is |are )?too long|too many (?:input )?tokens|reduce the length",
            "exceeds? the (?:model's )?max|exceed(?:s|ed)? (?:the )?model(?:'s)? token limit|exceed_context_size",
            "longer than the model|range of input length|input length|(?:inputs|prompt)`? tokens? \\+ `?max_new_tokens",
            "maximum (?:allowed )?(?:number of )?(?:input )?(?:length|tokens)|tokens? limit exceeded|model token limit",
            "length exceeds? (?:the )?(?:model|limit)|must have (?:less|fewer) than \\d+ tokens",
            "too large for (?:the )?(?:model|context)|tokens?[_ ]too[_ ]long|must be less than max_seq_len",
            "(?:input|prompt|message|total)[^.]{0,40} exceeds? (?:the )?(?:max\\w* |limit)",
            "上下文.{0,12}(?:超|过长|长度|限制)|超长|输入.{0,12}(?:超|过长)",
            "(?:超过|超出).{0,20}(?:上下文|最大长度|长度|token)|token.{0,12}(?:超过|超出|超限)|文本过长",
        ),
    ),
    (
        ModelQuotaExhaustedError,
        (
            "insufficient[_ ](?:\\w+[_ ])?(?:quota|balance|credits?|funds)|exceeded (?:your|the) current quota|billing",
            "exceeded_current_quota|credit balance|(?:out of|no|more) credits?|quota exhausted|payment required",
            "balance (?:is|was) (?:insufficient|too low)|(?:spending|credit) limit|all available credits",
            "arrear|overdue|good standing|past due|free[_ -]?tier[_ -]?only|account.{0,30}(?:suspended|in debt)",
            "余额|欠费|充值|额度|账户.{0,8}(?:不足|停用|冻结)|资源包|未支付|账单",
        ),
    ),
    (
        ModelKeyRefusedError,
        (
            "invalid_?api_?key|api_key_invalid|(?:incorrect|invalid|wrong|missing|expired|no) api[-_ ]?key",
            "api[-_ ]?key.{0,30}(?:invalid|not valid|incorrect|expired|missing|not found|disabled|required)",
            "unauthori[sz]ed|authentication[_ ](?:error|fail\\w*)",
            "invalid (?:token|x-api-key|authorization|credentials)|security token[^.]{0,40}(?:invalid|expired)",
            "(?:密钥|令牌|身份|鉴权|认证).{0,12}(?:错误|无效|失败|不正确|过期|不存在|为空)",
            "无效的(?:密钥|令牌)|未授权",
        ),
    ),
    (
        ModelNotFoundError,
        (
            "model_?not_?found|unknown model|no such model|invalid model\\b|model_not_exist",
            "(?:model|deployment)[^.]{0,80}(?:does not exist|not found|not exist|is not available)",
            "not a valid model|model identifier is invalid|not found the model|unable to access model",
            "no models? loaded|not_found_error model: ",
            "模型.{0,20}(?:不存在|未找到|不可用|未开通)|不存在.{0,8}模型",
        ),
    ),
    (
        ModelRateLimitedError,
        (
            "rate[_ ]?limit|too many (?:concurrent )?requests|throttl",
            "请求.{0,8}(?:频繁|过多)|并发.{0,8}(?:过高|超|限)|限流|频率",
        ),
    ),
    (
        ModelRequestRefusedError,
        (
            "content[_ ]?(?:filter|policy)|data_?inspection|safety|moderation|inappropriate content|sensitive",
            "敏感|违规|不安全|审核|unsupported_country|country, region|region.{0,20}not supported",
            "not (?:available|supported) in your (?:country|region)|地区.{0,8}不支持",
        ),
    ),
    (
        ModelOverloadedError,
        (
            "overload|over capacity|at capacity|capacity[_ ]exceeded",
            "unavailable|server_error|internal (?:server )?error|server is busy",
            "out of memory|(?:服务|系统|模型|引擎).{0,8}(?:繁忙|过载|异常|不可用)|内部错误|稍后(?:再试|重试)",
        ),
    ),
    (ModelTimeoutError, ("timed? ?out|超时",)),
)
"""What the words of providers mean, in English and Chinese; the first that fits decides."""
BY_WORDS = [(re.compile("|".join(words), re.IGNORECASE), kind) for kind, words in WORDS]
REGION_WORDS = re.compile(
    "unsupported_country|country, region"
    "|(?:country|region|location|territory).{0,30}(?:not|un)[ -]?(?:supported|available)"
    "|not (?:supported|available) in your (?:country|region)|地区.{0,8}不支持",
    re.IGNORECASE,
)

BY_STATUS: dict[int, type[ModelError]] = {
    401: ModelKeyRefusedError,
    402: ModelQuotaExhaustedError,
    403: ModelKeyRefusedError,
    404: ModelNotFoundError,
    405: ModelNotFoundError,
    408: ModelTimeoutError,
    413: ModelContextTooLongError,
    429: ModelRateLimitedError,
    498: ModelOverloadedError,  # Groq's, for a service tier without free capacity
    529: ModelOverloadedError,
}

_RETRY_STATUSES = {429, 503, 529}
_RETRY_WORDS = re.compile(
    r"(?:try again|retry|wait)[^.\d]{0,20}(?=\d)(?:(\d+)\s*m(?:in[a-z]*)?(?![a-z])\s*)?(?:(\d+(?:\.\d+)?)\s*(ms|s))?"
    r"|(\d+)\s*秒(?:钟)?(?:之?后|再)",
    re.IGNORECASE,
)

REFUSALS = (ModelContextTooLongError, ModelKeyRefusedError, ModelNotFoundError, ModelQuotaExhaustedError)
WORDS_DECIDE: dict[int, tuple[type[ModelError], ...]] = {
    400: (*REFUSALS, ModelRateLimitedError),
    401: (ModelQuotaExhaustedError,),
    403: (ModelContextTooLongError, ModelQuotaExhaustedError, ModelNotFoundError, ModelRequestRefusedError),
    404: (ModelQuotaExhaustedError,),
    412: (ModelQuotaExhaustedError,),
    413: (ModelRateLimitedError,),
    422: REFUSALS,
    429: (ModelQuotaExhaustedError,),
    500: (ModelContextTooLongError, ModelQuotaExhaustedError),
}
"""Where the words of the provider may overrule its status: these kinds only."""


def error_of_status(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """Translate an answer that is not 200."""
    answer = loaded(body)
    reason = reason_of(answer) or plain_words(body)
    if status < HTTPStatus.BAD_REQUEST:
        return ModelProtocolError(REDIRECTED, cause="REDIRECT", status=status)
    details: dict[str, Detail] = {"status": status}
    if reason:
        details["reason"] = reason
    words = words_of(answer) if answer is not None else reason
    retry_after_s = retry_after_of(headers)
    if retry_after_s is None and status in _RETRY_STATUSES:
        retry_after_s = retry_after_in(words)
    if retry_after_s is not None:
        details["retry_after_s"] = retry_after_s
    if status in {400, 401, 403, 451} and REGION_WORDS.search(words):
        return ModelRequestRefusedError(REGION, cause="REGION", **details)
    if status == HTTPStatus.FORBIDDEN and is_web_page(body):
        return ModelRequestRefusedError(INTERPOSED, cause="WEB_PAGE", **details)
    kind, worded = kind_of_status(status), by_words(words)
    if worded is not None and worded in WORDS_DECIDE.get(status, ()):
        kind = worded
    if kind is ModelNotFoundError and status in {404, 405} and worded is not ModelNotFoundError:
        return kind(NO_SUCH_PATH, cause="PATH", **details)
    return kind(SENTENCES[kind], **details)


def error_in_stream(error: Json) -> ModelError:
    """Translate an error that came as a frame, after a status of 200."""
    reason, code = reason_of({"error": error}), code_of({"error": error})
    details: dict[str, Detail] = {"reason": reason} if reason else {}
    words = words_of({"error": error})
    if REGION_WORDS.search(words):
        return ModelRequestRefusedError(REGION, cause="REGION", **details)
    kind = by_words(words) or (kind_of_status(int(code)) if is_status(code) else ModelStreamBrokenError)
    return kind(SENTENCES[kind], **details)


def broken() -> ModelStreamBrokenError:
    """Return the error of an answer that stopped in the middle."""
    return ModelStreamBrokenError("The provider's connection ended in the middle of the answer. Try again.")


def is_web_page(body: bytes) -> bool:
    """Tell whether a body is meant for a browser."""
    return body.lstrip()[:1] == b"<"


def plain_words(body: bytes) -> str:
    """Return a body that is neither JSON nor a web page as one line, if it is short enough to be a sentence."""
    text = body.decode("utf-8", "replace").strip()
    if not text or text[:1] in "<{[" or len(text) > MAX_REASON_CHARS:
        return ""
    return " ".join(text.split())


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


REASONS = ("error", "errors", "message", "detail", "details", "msg", "error_msg", "errorMessage", "error_message")
REASONS_OF_PARTS = ("title", "reason", "status_msg")


def reason_of(error: Json) -> str:
    """Return the provider's own sentence; vendors differ in where they put them."""
    if isinstance(error, list):  # Gemini wraps the error into a list, validators give one for each field
        return "; ".join(filter(None, [reason_of(each) for each in error[:3]]))
    if isinstance(error, dict):
        inner = next((error[name] for name in (*REASONS, *REASONS_OF_PARTS) if error.get(name)), "")
        return reason_of(inner)
    return " ".join(str(error).split()) if error and error is not True else ""


def code_of(error: Json) -> str:
    """Return the provider's error code, or its error type."""
    if isinstance(error, list):
        return code_of(error[0]) if error else ""
    if not isinstance(error, dict):
        return ""
    inner = error.get("error") or error.get("errors")
    if isinstance(inner, dict | list):
        return code_of(inner)
    return str(error.get("code") or error.get("type") or error.get("status") or "")


def words_of(error: Json) -> str:
    """Return what classifies an error: code, type and the provider's message."""
    inner = error
    while isinstance(inner, list | dict):
        outer = inner
        inner = (inner[0] if inner else None) if isinstance(inner, list) else inner.get("error") or inner.get("errors")
        if not isinstance(inner, list | dict):
            type_ = outer.get("type") if isinstance(outer, dict) else ""
            return f"{code_of(error)} {type_ or ''} {reason_of(error)}"
    return reason_of(error)


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


def retry_after_in(words: str) -> float | None:
    """Return the seconds to wait that a provider's sentence names; None when it names none."""
    match = _RETRY_WORDS.search(words)
    if match is None or not any(match.groups()):
        return None
    minutes, number, unit, chinese = match.groups()
    if chinese:
        return float(chinese)
    return 60 * float(minutes or 0) + float(number or 0) / (1_000 if unit == "ms" else 1)


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
