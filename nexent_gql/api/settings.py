"""Settings of the GraphQL API."""

from ipaddress import ip_network
from typing import Literal

from pydantic import Field, field_validator

from nexent_gql.kernel.settings import SettingsSection

KIB = 1024
REQUEST_BYTES = 1536 * KIB
"""Room for the longest message that the schema accepts: 100,000 characters of 12 bytes each as JSON escapes (every
one a surrogate pair), and the longest document."""


class ApiLimits(SettingsSection):
    """Limits of a request. A request that exceeds one is refused with a code before it runs."""

    body_bytes: int = Field(default=REQUEST_BYTES, ge=KIB, description="Bytes of an HTTP body. More gets 413.")
    body_s: float = Field(default=15, gt=0, description="Seconds within which a body must arrive. After that 408.")
    message_bytes: int = Field(
        default=REQUEST_BYTES, ge=KIB, description="Bytes of a WebSocket message. More closes the socket with 1009."
    )
    upload_bytes: int = Field(
        default=20 * 1024 * KIB, ge=KIB, description="Bytes of a request with files. More gets 413."
    )
    upload_files: int = Field(default=10, ge=1, description="Files of one request.")
    upload_s: float = Field(
        default=120, gt=0, description="Seconds within which an upload must arrive. After that 408."
    )
    file_idle_s: float = Field(
        default=30,
        gt=0,
        description="Seconds without progress after which the upload or download of a file by a signed URL is ended. "
        "So is an upload below 16 KiB/s.",
    )
    document_bytes: int = Field(default=64 * KIB, ge=256, description="Bytes of a GraphQL document.")
    json_depth: int = Field(default=64, ge=8, description="Nesting of JSON in bodies, variables and frames.")
    operations: int = Field(default=50, ge=1, description="Operations of a document.")
    tokens: int = Field(default=2_000, ge=50, description="Lexical tokens of a document.")
    depth: int = Field(default=12, ge=3, description="Nesting of fields, fragments included.")
    introspection_depth: int = Field(default=20, ge=10, description="Nesting of fields below `__schema` and `__type`.")
    aliases: int = Field(default=30, ge=0, description="Aliased and repeated fields, fragments included.")
    directives: int = Field(default=50, ge=0, description="Directives, fragments included.")
    fields: int = Field(default=5_000, ge=100, description="Fields in all, fragments counted at each spread.")
    root_fields: int = Field(default=20, ge=1, description="Fields at the root of an operation.")
    nodes: int = Field(
        default=50_000, ge=100, description="Objects that an answer may contain, estimated from page sizes."
    )
    list_size: int = Field(default=10, ge=1, description="Assumed length of a list without a page size.")
    query_s: float = Field(default=10, gt=0, description="Time limit of a query in seconds.")
    mutation_s: float = Field(default=30, gt=0, description="Time limit of a mutation in seconds.")
    errors: int = Field(default=10, ge=1, description="Entries of `errors` in an answer.")
    error_chars: int = Field(default=300, ge=40, description="Characters of an error's message.")
    cached_tokens: int = Field(
        default=50_000,
        ge=0,
        description=(
            "Tokens of parsed documents that a process caches, about 0.2 kB each. It also caches compiled selections "
            "of a fifth as many fields, about 0.7 kB each."
        ),
    )


class ConnectionLimits(SettingsSection):
    """Limits of TCP connections."""

    total: int = Field(default=10_000, ge=1, description="Connections of one process. More get 503.")
    per_address: int = Field(
        default=1_000,
        ge=1,
        description=(
            "Connections of one address, or of one IPv6 network (/64), per process. More get 429. Trusted proxies have "
            "no limit of their own."
        ),
    )
    header_s: float = Field(
        default=10, gt=0, description="Seconds within which the headers of a request must arrive. After that 408."
    )
    header_bytes: int = Field(default=64 * KIB, ge=8 * KIB, description="Bytes of a request's headers. More get 431.")
    idle_s: int = Field(default=15, ge=1, description="Seconds after which a connection without a request is closed.")


class SocketLimits(SettingsSection):
    """Limits of WebSocket connections and streamed answers."""

    init_s: float = Field(
        default=10,
        gt=0,
        description="Seconds within which connection_init must arrive. After that the socket closes with 4408.",
    )
    ping_s: float = Field(default=20, gt=0, description="Seconds between the server's application pings.")
    operations: int = Field(default=50, ge=1, description="Concurrent operations on one socket.")
    per_user: int = Field(
        default=200,
        ge=1,
        description="Sockets and streamed answers of one user, or of one address without a credential, per process.",
    )
    unidentified_per_address: int = Field(
        default=100,
        ge=1,
        description="Sockets of one address that have not sent connection_init, per process. More get 403.",
    )
    messages_per_s: float = Field(default=50, gt=0, description="Sustained messages per second on one socket.")
    burst: int = Field(
        default=100, ge=10, description="Messages at once on one socket. More closes the socket with 1008."
    )


class CostSettings(SettingsSection):
    """Rate limits in points. A request costs fixed points and one for each object that it may return."""

    mode: Literal["enforce", "measure", "off"] = Field(
        default="enforce",
        description="`enforce` refuses requests beyond the limit, `measure` only reports costs, `off` does not count.",
    )
    request: int = Field(default=1, ge=0, description="Points of every request, charged before it is read.")
    mutation: int = Field(default=10, ge=0, description="Additional points for each root field of a mutation.")
    failed_credential: int = Field(
        default=50, ge=0, description="Points of a wrong credential, charged to its address."
    )
    refused: int = Field(
        default=10, ge=0, description="Additional points for a request that is refused before it runs."
    )
    user_points: int = Field(default=100_000, ge=1, description="Points that a user may spend at once.")
    user_restore_per_s: float = Field(default=2_000, gt=0, description="Points that a user gets back each second.")
    anonymous_points: int = Field(
        default=10_000, ge=1, description="Points that an address without a credential may spend at once."
    )
    anonymous_restore_per_s: float = Field(
        default=200, gt=0, description="Points that such an address gets back each second."
    )
    report: bool = Field(default=True, description="Whether answers report their cost in `extensions.cost`.")


class PersistedSettings(SettingsSection):
    """Persisted documents, which clients name by a hash or an id."""

    only: Literal["any", "log", "trusted"] = Field(
        default="any",
        description="`any` runs all documents, `log` logs unregistered ones, `trusted` runs only registered ones "
        "(`nexent-gql documents sync`).",
    )
    automatic: bool = Field(default=True, description="Whether automatic persisted queries are accepted.")
    automatic_bytes: int = Field(
        default=32 * 1024 * KIB,
        ge=KIB,
        description="Bytes of automatic documents in Redis. The oldest are removed first.",
    )
    automatic_ttl_s: float = Field(
        default=7 * 86_400, ge=1, description="Seconds after which an unused automatic document is removed."
    )
    process_bytes: int = Field(
        default=8 * 1024 * KIB, ge=KIB, description="Bytes of automatic documents that a process caches."
    )


class ApiSettings(SettingsSection):
    """The GraphQL API."""

    allowed_origins: tuple[str, ...] = Field(
        default=(),
        description="Origins whose pages may call the API (CORS) and open sockets, besides the server's own.",
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
        description="Request headers that allowed origins may send (CORS), besides those of GraphQL over HTTP.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description=(
            "Host names that the server answers to, such as `api.example.com` or `*.example.com`. Others get "
            "HOST_NOT_ALLOWED. Loopback names are always allowed. Empty means any name, or only loopback names when "
            "`serve` or `up` listens on a loopback address. `*` allows any name."
        ),
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description=(
            "Addresses or networks (CIDR) of the reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are "
            "used. Empty means none, so all clients behind a proxy share one address."
        ),
    )
    introspection: Literal["everyone", "signed_in", "off"] = Field(
        default="signed_in", description="Who may introspect the schema. The SDL is public as schema.graphql."
    )
    ide: bool = Field(default=True, description="Whether browsers get GraphiQL at `/graphql`.")
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
