"""Why a model gave no answer; `ports.llm` has the same names."""

from nexent_gql.kernel.errors import DomainError


class ModelError(DomainError):
    """A provider did not give a whole answer; subclasses say why, `message` what to do.

    `details["reason"]` holds the provider's own sentence, `details["retry_after_s"]` how long it asks to wait.
    """

    code = "MODEL_ERROR"

    @property
    def provider_message(self) -> str | None:
        """The provider's own sentence, free of keys; None when there was none."""
        reason = self.details.get("reason")
        return reason if isinstance(reason, str) and reason else None

    @property
    def retry_after_s(self) -> float | None:
        """The seconds that the provider asks to wait; None when it names none."""
        wait_s = self.details.get("retry_after_s")
        return float(wait_s) if isinstance(wait_s, int | float) else None


class ModelUnreachableError(ModelError):
    """No connection: wrong host, refused, DNS, TLS."""

    code = "MODEL_UNREACHABLE"
    retryable = True


class ModelKeyRefusedError(ModelError):
    """401 or 403: the key is missing, wrong or has no access."""

    code = "MODEL_KEY_REFUSED"


class ModelNotFoundError(ModelError):
    """The provider knows no such model or path."""

    code = "MODEL_NOT_FOUND"


class ModelAddressError(ModelError):
    """The base URL is invalid or points where this installation may not connect; retrying will not help."""

    code = "MODEL_ADDRESS_REFUSED"


class ModelQuotaExhaustedError(ModelError):
    """The account of the API key has no credit or quota left; waiting will not help."""

    code = "MODEL_QUOTA_EXHAUSTED"


class ModelRateLimitedError(ModelError):
    """429; `details["retry_after_s"]` when the provider sent it."""

    code = "MODEL_RATE_LIMITED"
    retryable = True


class ModelOverloadedError(ModelError):
    """5xx before the answer began."""

    code = "MODEL_OVERLOADED"
    retryable = True


class ModelTimeoutError(ModelError):
    """No token arrived within the time limits of the model."""

    code = "MODEL_TIMEOUT"
    retryable = True


class ModelStreamBrokenError(ModelError):
    """The connection ended in the middle of the answer."""

    code = "MODEL_STREAM_BROKEN"
    retryable = True


class ModelProtocolError(ModelError):
    """The reply violates the protocol of the dialect."""

    code = "MODEL_PROTOCOL_ERROR"


class ModelContextTooLongError(ModelError):
    """The conversation does not fit the model's context window."""

    code = "MODEL_CONTEXT_TOO_LONG"


class ModelRequestRefusedError(ModelError):
    """The provider refused the request itself (400, content filter); its words are in `details["reason"]`."""

    code = "MODEL_REQUEST_REFUSED"
