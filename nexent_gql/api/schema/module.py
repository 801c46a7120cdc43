"""What a domain adds to the schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from strawberry import relay

from nexent_gql.api.context import Batch
from nexent_gql.api.schema.errors import Error
from nexent_gql.kernel.errors import DomainError


@dataclass(frozen=True, kw_only=True)
class SchemaModule:
    """A domain's root fields, its types that `node` can find, and its specific error types.

    The classes of `queries`, `mutations` and `subscriptions` are Strawberry types whose fields become root fields.
    `types` lists what no field reaches, such as implementations of an interface.
    """

    queries: tuple[type, ...] = ()
    mutations: tuple[type, ...] = ()
    subscriptions: tuple[type, ...] = ()
    types: tuple[type, ...] = ()
    nodes: Mapping[type[relay.Node], Batch[UUID, relay.Node | None]] = field(
        default_factory=dict[type[relay.Node], Batch[UUID, relay.Node | None]]
    )
    errors: Mapping[type[DomainError], type[Error]] = field(default_factory=dict[type[DomainError], type[Error]])
