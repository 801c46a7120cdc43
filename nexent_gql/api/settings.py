"""Settings of the GraphQL API."""

from ipaddress import ip_network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

KIB = 1024
REQUEST_BYTES = 1536 * KIB
"""Room for the longest message that the schema accepts: 100,000 characters of 12 bytes each as JSON escapes (every
one a surrogate pair), and the longest document."""


class ApiLimits(BaseModel):
    """Bounds of a request; what breaks one is refused with a code before anything runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(default=REQUEST_BYTES, ge=KIB, description="Bytes of an HTTP body; more is a 413.")
    body_s: float = Field(default=15, gt=0, description="Seconds within which a body must have come; then 408.")
    message_bytes: int = Field(
        default=REQUEST_BYTES, ge=KIB, description="Bytes of a WebSocket message; more closes the socket with 1009."
    )
    upload_bytes: int = Field(default=20 * 1024 * KIB, ge=KIB, description="Bytes of a request with files; then 413.")
    upload_files: int = Field(default=10, ge=1, description="Files of one request.")
    upload_s: float = Field(default=120, gt=0, description="Seconds within which an upload must have come; then 408.")
    document_bytes: int = Field(default=64 * KIB, ge=256, description="Bytes of a GraphQL document.")
    json_depth: int = Field(default=64, ge=8, description="Nesting of a JSON body, of variables and of frames.")
    operations: int = Field(default=50, ge=1, description="Operations of a document.")
    tokens: int = Field(default=2_000, ge=50, description="Lexical tokens of a document.")
    depth: int = Field(default=12, ge=3, description="Nesting of fields; fragments count where they are spread.")
    introspection_depth: int = Field(default=20, ge=10, description="Nesting of fields below `__schema` and `__type`.")
    aliases: int = Field(default=30, ge=0, description="Aliased and repeated fields, spread fragments included.")
    directives: int = Field(default=50, ge=0, description="Directives, spread fragments included.")
    fields: int = Field(default=5_000, ge=100, description="Fields in all, counted wherever a fragment is spread.")
    root_fields: int = Field(default=20, ge=1, description="Fields at the root of an operation.")
    nodes: int = Field(default=50_000, ge=100, description="Objects an answer may hold, estimated from page sizes.")
    list_size: int = Field(default=10, ge=1, description="Assumed length of a list that takes no page size.")
    query_s: float = Field(default=10, gt=0, description="Seconds a query may run.")
    mutation_s: float = Field(default=30, gt=0, description="Seconds a mutation may run.")
    errors: int = Field(default=10, ge=1, description="Entries of `errors` that are sent.")
    error_chars: int = Field(default=300, ge=40, description="Characters of an error's message that are sent.")
    cached_tokens: int = Field(
        default=100_000, ge=0, description="Tokens of valid documents kept parsed per process, about 0.5 kB each."
    )


class ConnectionLimits(BaseModel):
    """Bounds of TCP connections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    total: int = Field(default=10_000, ge=1, description="Connections of one process; more get 503.")
    per_address: int = Field(
        default=1_000,
        ge=1,
        description=(
            "Connections of one address, or of one IPv6 network (/64), per process; more get 429. Trusted proxies have "
            "no limit of their own."
        ),
    )
    header_s: float = Field(
        default=10, gt=0, description="Seconds within which the headers of a request must have come; then 408."
    )
    header_bytes: int = Field(default=64 * KIB, ge=8 * KIB, description="Bytes of a request's headers; more get 431.")
    idle_s: int = Field(default=15, ge=1, description="Seconds that a connection may be idle between two requests.")


class SocketLimits(BaseModel):
    """Bounds of a WebSocket connection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    init_s: float = Field(default=10, gt=0, description="Seconds until connection_init must have come; then 4408.")
    ping_s: float = Field(default=20, gt=0, description="Seconds between the server's application pings.")
    operations: int = Field(default=50, ge=1, description="Operations at once on one socket.")
    per_user: int = Field(
        default=200,
        ge=1,
        description="Sockets and streamed answers of one user, or of one address without a credential, per process.",
    )
    unidentified_per_address: int = Field(
        default=100,
        ge=1,
        description="Sockets of one address that have not sent connection_init, per process; more get 403.",
    )
    messages_per_s: float = Field(default=50, gt=0, description="Messages per second on one socket, in the long run.")
    burst: int = Field(default=100, ge=10, description="Messages at once on one socket; more closes 1008.")


class CostSettings(BaseModel):
    """Rate limits in points; a request costs flat prices and a point for each object it may return."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["enforce", "measure", "off"] = Field(
        default="enforce", description="`measure` reports costs and refuses nobody; `off` does not count."
    )
    request: int = Field(default=1, ge=0, description="Points of any request, charged before it is read.")
    mutation: int = Field(default=10, ge=0, description="Additional points for each root field of a mutation.")
    failed_credential: int = Field(
        default=50, ge=0, description="Points of a credential that is wrong, from the budget of its address."
    )
    refused: int = Field(
        default=10, ge=0, description="Additional points for a request that is refused before it runs."
    )
    user_points: int = Field(default=100_000, ge=1, description="Points that a user may spend at once.")
    user_restore_per_s: float = Field(default=2_000, gt=0, description="Points that a user gets back each second.")
    stranger_points: int = Field(
        default=10_000, ge=1, description="Points that an address without a credential may spend at once."
    )
    stranger_restore_per_s: float = Field(
        default=200, gt=0, description="Points that such an address gets back each second."
    )
    report: bool = Field(default=True, description="Whether answers report their cost in `extensions.cost`.")


class PersistedSettings(BaseModel):
    """Documents that clients name instead of sending them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    only: Literal["any", "log", "trusted"] = Field(
        default="any",
        description="`trusted` runs registered documents only (`nexent-gql documents sync`); `log` also logs others.",
    )
    automatic: bool = Field(default=True, description="Whether clients may register documents by sending them once.")
    automatic_bytes: int = Field(
        default=32 * 1024 * KIB, ge=KIB, description="Bytes of such documents that Redis keeps; the oldest go first."
    )
    automatic_ttl_s: float = Field(default=7 * 86_400, ge=1, description="Seconds that an unused one is kept.")
    process_bytes: int = Field(default=8 * 1024 * KIB, ge=KIB, description="Bytes of them that a process keeps too.")


class ApiSettings(BaseModel):
    """The GraphQL API: who may call it, and how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_origins: tuple[str, ...] = Field(
        default=(), description="Origins whose pages may call (CORS) and open sockets, besides our own."
    )
    allowed_headers: tuple[str, ...] = Field(
        default=(
            "apollographql-client-name",
            "apollographql-client-version",
            "baggage",
            "sentry-trace",
            "traceparent",
            "tracestate",
            "x-request-id",
        ),
        description="Headers that pages of allowed origins may send (CORS), besides those of GraphQL over HTTP.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description=(
            "Host names under which the server may be addressed, such as `api.example.com` or `*.example.com`; others "
            "get HOST_NOT_ALLOWED. Loopback names are always allowed. Empty: any name, or only loopback names when "
            "`serve` or `up` listens on a loopback address. `*` allows any name."
        ),
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description=(
            "Addresses or networks (CIDR) of the reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are "
            "believed. Empty: none, so every client behind a proxy counts as one."
        ),
    )
    introspection: Literal["everyone", "signed_in", "off"] = Field(
        default="signed_in", description="Who may introspect; the SDL is published as schema.graphql anyway."
    )
    ide: bool = Field(default=True, description="Whether browsers get GraphiQL at the API's address.")
    compiled_selections: bool = Field(
        default=True,
        description=(
            "Whether compiled selections complete objects and events. If false, graphql-core executes everything: the "
            "same answers, but several times slower (docs/adr/0062)."
        ),
    )
    direct_frames: bool = Field(
        default=True,
        description=(
            "Whether events are written to WebSockets directly. If false, they pass through ASGI: the same frames, at "
            "1.5 to 2 times the CPU time (docs/adr/0062)."
        ),
    )
    heartbeat_s: float = Field(default=12, gt=0, description="Seconds between heartbeats of a streamed answer.")
    limits: ApiLimits = ApiLimits()
    connections: ConnectionLimits = ConnectionLimits()
    sockets: SocketLimits = SocketLimits()
    cost: CostSettings = CostSettings()
    documents: PersistedSettings = PersistedSettings()

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for text in networks:
            ip_network(text)
        return networks
