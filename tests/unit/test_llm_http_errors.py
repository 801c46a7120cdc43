"""What a provider's refusals become."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from nexent_gql.adapters.llm_http.errors import error_of_status, retry_after_of, scrubbed
from nexent_gql.adapters.llm_http.quirks import Quirks, refused_parameter
from nexent_gql.adapters.llm_openai.wire import REFUSABLE
from nexent_gql.kernel.json import Json, dumps
from nexent_gql.ports.llm import (
    Dialect,
    ModelContextTooLongError,
    ModelEndpoint,
    ModelError,
    ModelKeyRefusedError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelProtocolError,
    ModelQuotaExhaustedError,
    ModelRateLimitedError,
    ModelRequestRefusedError,
    ModelTimeoutError,
)


def openai(message: str, code: str | None = None) -> Json:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, openai("maximum context length is 128000 tokens", "context_length_exceeded"), ModelContextTooLongError),
        (400, openai("prompt is too long: 210000 tokens > 200000 maximum"), ModelContextTooLongError),
        (400, [{"error": {"code": 400, "message": "API key not valid. Pass a valid API key."}}], ModelKeyRefusedError),
        (400, openai("Model Not Exist"), ModelNotFoundError),
        (400, openai("'temperature' must be at most 2"), ModelRequestRefusedError),
        (400, openai("flagged by the content policy", "content_filter"), ModelRequestRefusedError),
        (401, openai("Incorrect API key provided", "invalid_api_key"), ModelKeyRefusedError),
        (402, {"error": {"message": "Insufficient Balance"}}, ModelQuotaExhaustedError),
        (403, {"detail": "no access"}, ModelKeyRefusedError),
        (404, openai("The model `gpt-9` does not exist", "model_not_found"), ModelNotFoundError),
        (404, {"error": "model 'llama9' not found"}, ModelNotFoundError),
        (404, {"detail": "Not Found"}, ModelNotFoundError),
        (408, None, ModelTimeoutError),
        (413, None, ModelContextTooLongError),
        (422, {"detail": [{"msg": "field required"}]}, ModelRequestRefusedError),
        (429, openai("Rate limit reached for gpt-4o", "rate_limit_exceeded"), ModelRateLimitedError),
        (429, openai("You exceeded your current quota", "insufficient_quota"), ModelQuotaExhaustedError),
        (500, None, ModelOverloadedError),
        (502, None, ModelOverloadedError),
        (529, {"error": {"type": "overloaded_error"}}, ModelOverloadedError),
        (400, openai("max_tokens (9000) exceeds the maximum of 8192"), ModelRequestRefusedError),
        (400, openai("total message token length exceed model limit"), ModelContextTooLongError),
        (400, {"error": "`inputs` must have less than 4096 tokens. Given: 5000"}, ModelContextTooLongError),
        (400, openai("输入长度超过模型最大上下文"), ModelContextTooLongError),
        (400, openai("Prompt 超长", "1261"), ModelContextTooLongError),
        (400, openai("模型不存在，请检查模型代码"), ModelNotFoundError),
        (400, openai("系统检测到输入内容可能包含敏感内容", "1301"), ModelRequestRefusedError),
        (400, openai("User location is not supported for the API use."), ModelRequestRefusedError),
        (401, openai("身份验证失败", "1000"), ModelKeyRefusedError),
        (403, openai("This request requires more credits"), ModelQuotaExhaustedError),
        (403, openai("account has an overdue balance", "AccountOverdueError"), ModelQuotaExhaustedError),
        (403, None, ModelRequestRefusedError),
        (413, openai("Limit 6000 tokens per minute (TPM)", "rate_limit_exceeded"), ModelRateLimitedError),
        (429, openai("您的账户已欠费", "1113"), ModelQuotaExhaustedError),
        (429, openai("您当前使用该API的并发数过高，请降低并发", "1302"), ModelRateLimitedError),
        (301, None, ModelProtocolError),
        (307, None, ModelProtocolError),
    ],
)
def test_statuses_and_words(status: int, body: Json, kind: type[ModelError]) -> None:
    error = error_of_status(status, {}, b"<html>" if body is None else dumps(body))
    assert type(error) is kind
    assert error.details["status"] == status
    assert error.message.endswith(".")


def test_an_unknown_path_is_told_from_an_unknown_model() -> None:
    path = error_of_status(404, {}, b'{"detail":"Not Found"}')
    model = error_of_status(404, {}, dumps(openai("The model `x` does not exist", "model_not_found")))
    assert path.details["cause"] == "PATH"
    assert "/v1" in path.message
    assert "cause" not in model.details
    assert "model" in model.message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (openai("no  good\nat all"), "no good at all"),
        ({"message": "plain"}, "plain"),
        ({"detail": [{"msg": "nested"}]}, "nested"),
        ({"error": "text"}, "text"),
        ([{"error": {"message": "listed"}}], "listed"),
    ],
)
def test_the_reason_is_found_wherever_vendors_put_it(body: Json, reason: str) -> None:
    assert error_of_status(400, {}, dumps(body)).details["reason"] == reason


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after-ms": "x"}, None),
        ({"retry-after": format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)}, 0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_of(headers) == seconds


def test_retry_after_as_a_date_to_come() -> None:
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after_of({"retry-after": header}) == pytest.approx(30, abs=2)


KEY = "canary4711notakeyform"


@pytest.mark.parametrize(
    "quoted",
    [
        f"Incorrect API key provided: {KEY}.",
        f"Bearer {KEY} is not valid",
        "Incorrect API key provided: sk-proj-abcdefghijkl",
        "Incorrect API key provided: cana*******form",
        "x" * 495 + KEY,
    ],
)
def test_keys_in_a_providers_words_are_masked(quoted: str) -> None:
    error = scrubbed(error_of_status(401, {}, dumps(openai(quoted))), KEY)
    for text in (repr(error), str(error), error.message, repr(error.details)):
        assert "canary" not in text
        assert "cana*" not in text
        assert "abcdefghijkl" not in text


def test_a_reason_is_shortened() -> None:
    error = scrubbed(error_of_status(400, {}, dumps(openai("y" * 10_000))), KEY)
    assert error.details["reason"] == "y" * 500


@pytest.mark.parametrize(
    ("status", "body", "fields", "refused"),
    [
        (400, openai("Unrecognized request argument supplied: stream_options"), {"stream_options"}, "stream_options"),
        (
            400,
            openai("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
            {"max_tokens", "stream_options"},
            "max_tokens",
        ),
        (400, openai("Unsupported parameter: 'stop' is not supported with this model."), {"stop"}, "stop"),
        (
            422,
            {"detail": [{"msg": "Extra inputs are not permitted: stream_options"}]},
            {"stream_options"},
            "stream_options",
        ),
        (400, openai("Unsupported parameter: 'stop'"), {"stream_options"}, None),
        (400, openai("max_tokens is too large: 100000"), {"max_tokens"}, None),
        (400, openai("images are not supported, please stop sending them"), {"stop"}, None),
        (500, openai("Unsupported parameter: 'stop'"), {"stop"}, None),
        (400, None, {"stop"}, None),
    ],
)
def test_refused_parameters(status: int, body: Json, fields: set[str], refused: str | None) -> None:
    assert refused_parameter(status, dumps(body), fields, REFUSABLE) == refused


def test_what_was_learned_expires() -> None:
    now = 0.0
    quirks = Quirks(kept_s=60, clock=lambda: now)
    end = ModelEndpoint(Dialect.OPENAI, "m", "http://x/v1")
    quirks.add(end, "stop")
    now = 59
    assert quirks.of(end) == {"stop"}
    now = 61
    assert quirks.of(end) == frozenset()


def test_quirks_are_kept_by_endpoint_and_not_for_ever() -> None:
    quirks = Quirks(size=2)
    ends = [ModelEndpoint(Dialect.OPENAI, name, "http://x/v1") for name in "abc"]
    for end in ends:
        quirks.add(end, "stop")
    quirks.add(ends[2], "max_tokens")
    assert [quirks.of(end) for end in ends] == [set(), {"stop"}, {"stop", "max_tokens"}]
