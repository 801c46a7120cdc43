"""Documents parsed, measured and validated once, and kept: most requests repeat one of a few hundred documents."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from nexent_gql.api.aside import Aside
from nexent_gql.api.cost import FieldTable, Sizes, count_nodes, read_sizes, size_variables
from nexent_gql.api.deferral import without_defer
from nexent_gql.api.limits import Shape, check, measure
from nexent_gql.api.masking import publish, refusal, validation_failed
from nexent_gql.api.refusals import QueryTooComplexError, ValidationFailedError
from nexent_gql.api.selections.events import Selections
from nexent_gql.api.selections.query import Plans
from nexent_gql.api.settings import ApiLimits

_NODES_PER_INTROSPECTED_FIELD = 10
_SHORT_CHARS = 300  # validated in a few milliseconds
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """An operation that may run; `nodes` is None when variables decide how long its lists are.

    `deferring` is the document as it was sent, where it defers parts of a query; `document` never does. `digest` is
    the SHA-256 of its text, in hex. One that `introspects` asks for nothing but the schema.
    """

    digest: str
    document: DocumentNode
    deferring: DocumentNode | None
    node: OperationDefinitionNode
    introspects: bool
    root_fields: int
    sized_by: frozenset[str]
    nodes: int | None
    selections: Selections
    plans: Plans

    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
        return self.node.name.value if self.node.name else None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document, without `@defer`, and what is known of it; `document` is None when it cannot be parsed.

    `errors` are ready to be sent; without any, `operations` may run.
    """

    document: DocumentNode | None
    errors: Sequence[GraphQLError] = ()
    operations: Sequence[PreparedOperation] = ()


class _NulFinder(Visitor):
    """Finds text that no database takes."""

    found = False

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        self.found = self.found or "\0" in node.value


class Documents:
    """Prepares documents for one schema; valid ones are kept, the longest unused go first."""

    def __init__(self, schema: GraphQLSchema, sdl: str, limits: ApiLimits) -> None:
        """Begin with nothing kept."""
        self._schema = schema
        self._fields = FieldTable(sdl)
        self._limits = limits
        self._kept: OrderedDict[str, tuple[Prepared, int]] = OrderedDict()
        self._aside = Aside("documents", self._prepare)
        self.tokens = 0

    def recall(self, text: str) -> Prepared | None:
        """Return what is known of `text` already."""
        kept = self._kept.get(text)
        if kept is None:
            return None
        self._kept.move_to_end(text)
        return kept[0]

    def prepare(self, text: str) -> Prepared:
        """Parse, measure and validate `text`, or recall it."""
        prepared = self.recall(text) or self._prepare(text)
        self._keep(text, prepared)
        return prepared

    async def prepare_aside(self, text: str) -> Prepared:
        """Do as `prepare` does, in a thread where it would hold the loop: a long document takes long to validate."""
        if len(text) <= _SHORT_CHARS:
            return self.prepare(text)
        prepared = await self._aside(text)
        self._keep(text, prepared)
        return prepared

    def _keep(self, text: str, prepared: Prepared) -> None:
        if prepared.document is None or prepared.errors or text in self._kept:
            return
        tokens = prepared.document.token_count
        self._kept[text] = (prepared, tokens)
        self.tokens += tokens
        while self.tokens > self._limits.cached_tokens:
            _, (_, freed) = self._kept.popitem(last=False)
            self.tokens -= freed

    def _prepare(self, text: str) -> Prepared:
        if len(text) > self._limits.document_bytes or len(text.encode(errors="replace")) > self._limits.document_bytes:
            allowed = self._limits.document_bytes
            message = f"The document is too long: at most {allowed} bytes."
            return Prepared(None, [refusal(QueryTooComplexError(message, limit="bytes", allowed=allowed))])
        try:
            document = parse(text, max_tokens=self._limits.tokens)
        except GraphQLError as error:
            errors = [error]
            publish(errors, self._limits)
            return Prepared(None, errors)
        try:
            return self._validated(document, sha256(text.encode()).hexdigest())
        except QueryTooComplexError as error:
            return Prepared(document, [refusal(error)])

    def _validated(self, document: DocumentNode, digest: str) -> Prepared:
        measured = measure(document)
        for operation, shape in measured:
            check(operation, shape, self._limits)
        errors = validate(self._schema, document, RULES, max_errors=self._limits.errors, hide_suggestions=True)
        if errors:
            shown = [validation_failed(error, self._limits) for error in errors[: self._limits.errors]]
            return Prepared(document, shown)
        nul = _NulFinder()
        visit(document, nul)
        if nul.found:
            return Prepared(document, [refusal(ValidationFailedError("Text must not hold the character U+0000."))])
        plain = without_defer(document)
        deferring = document if plain else None
        sized_by = size_variables(document)
        operations = [self._operation(digest, plain or document, deferring, *each, sized_by) for each in measured]
        return Prepared(plain or document, operations=operations)

    def _operation(
        self,
        digest: str,
        document: DocumentNode,
        deferring: DocumentNode | None,
        node: OperationDefinitionNode,
        shape: Shape,
        sized_by: frozenset[str],
    ) -> PreparedOperation:
        introspects = shape.meta_depth > 0
        if introspects:
            nodes = shape.all_fields * _NODES_PER_INTROSPECTED_FIELD
        else:
            nodes = None if sized_by else self._count(document, node, {})
        selections = Selections.of(document)
        return PreparedOperation(
            digest,
            document,
            deferring if node.operation is OperationType.QUERY and not introspects else None,
            node,
            introspects=introspects,
            root_fields=shape.fields,
            sized_by=sized_by,
            nodes=nodes,
            selections=selections,
            plans=Plans(selections.switches),
        )

    def _count(self, document: DocumentNode, node: OperationDefinitionNode, sizes: Sizes) -> int:
        return count_nodes(self._fields, document, node, sizes, self._limits.list_size)

    def nodes(self, operation: PreparedOperation, variables: Mapping[str, object]) -> int:
        """Return how many objects the operation may give with these variables."""
        if operation.nodes is not None:
            return operation.nodes
        sizes = read_sizes(operation.node, operation.sized_by, variables)
        return self._count(operation.document, operation.node, sizes)
