"""Cache of parsed and validated documents: most requests repeat one of a few hundred documents."""

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

from nexent_gql.api.limits.cost import FieldTable, count_nodes, read_sizes, size_variables
from nexent_gql.api.limits.document_shape import Shape, check, measure
from nexent_gql.api.pipeline.compaction import DocumentCompactor, unlink_tokens
from nexent_gql.api.pipeline.deferral import without_defer
from nexent_gql.api.pipeline.masking import publish, refusal, validation_failed
from nexent_gql.api.pipeline.refusals import QueryTooComplexError, ValidationFailedError
from nexent_gql.api.pipeline.single_flight import SingleFlightThread
from nexent_gql.api.selections.events import Selections, find_switches
from nexent_gql.api.selections.query import Plans
from nexent_gql.api.selections.variants import CompiledCache
from nexent_gql.api.settings import ApiLimits

_NODES_PER_INTROSPECTED_FIELD = 10
_TOKENS_PER_COMPILED_FIELD = 5  # then compiled selections have about half the objects of parsed documents
_SHORT_CHARS = 300  # such a document is validated in a few milliseconds
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class DocumentOperation:
    """A valid operation; `nodes` is None when variables determine the sizes of its lists.

    `deferring` is the original document if it defers parts of a query; `document` never does. `digest` is the SHA-256
    of its text, in hex. `introspects` means that it selects only the schema.
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
        """The operation's name, if any."""
        return self.node.name.value if self.node.name else None


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document without `@defer`, with its analysis; `document` is None when it cannot be parsed.

    `errors` are ready for clients; without errors, `operations` may run. `tokens` is the number of lexical tokens.
    """

    document: DocumentNode | None
    errors: Sequence[GraphQLError] = ()
    operations: Sequence[DocumentOperation] = ()
    tokens: int = 0


class _NulFinder(Visitor):
    """Finds NUL characters, which Postgres cannot store."""

    is_found = False

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        self.is_found = self.is_found or "\0" in node.value


class Documents:
    """Prepares documents for one schema; caches valid ones and evicts the least recently used."""

    def __init__(self, schema: GraphQLSchema, sdl: str, limits: ApiLimits) -> None:
        self._schema = schema
        self._fields = FieldTable(sdl)
        self._compactor = DocumentCompactor(schema)
        self._limits = limits
        self._documents: OrderedDict[str, PreparedDocument] = OrderedDict()
        self._thread = SingleFlightThread("documents", self._prepare)
        self.compiled = CompiledCache(limits.cached_tokens // _TOKENS_PER_COMPILED_FIELD)
        self.tokens = 0

    def recall(self, text: str) -> PreparedDocument | None:
        """Return the cached document of `text`."""
        document = self._documents.get(text)
        if document is None:
            return None
        self._documents.move_to_end(text)
        return document

    def prepare(self, text: str) -> PreparedDocument:
        """Return the document of `text` from the cache, or parse, measure and validate it."""
        prepared = self.recall(text) or self._prepare(text)
        self._keep(text, prepared)
        return prepared

    async def prepare_in_thread(self, text: str) -> PreparedDocument:
        """Call `prepare`, in a thread for long documents, which would block the event loop."""
        if len(text) <= _SHORT_CHARS:
            return self.prepare(text)
        prepared = await self._thread(text)
        self._keep(text, prepared)
        return prepared

    def _keep(self, text: str, prepared: PreparedDocument) -> None:
        if prepared.document is None or prepared.errors or text in self._documents:
            return
        self._documents[text] = prepared
        self.tokens += prepared.tokens
        while self.tokens > self._limits.cached_tokens:
            _, oldest = self._documents.popitem(last=False)
            self.tokens -= oldest.tokens

    def _prepare(self, text: str) -> PreparedDocument:
        if len(text) > self._limits.document_bytes or len(text.encode(errors="replace")) > self._limits.document_bytes:
            allowed = self._limits.document_bytes
            message = f"The document is too long: at most {allowed} bytes."
            return PreparedDocument(None, [refusal(QueryTooComplexError(message, limit="bytes", allowed=allowed))])
        try:
            document = parse(text, max_tokens=self._limits.tokens)
        except GraphQLError as error:
            errors = [error]
            publish(errors, self._limits)
            return PreparedDocument(None, errors)
        unlink_tokens(document)
        try:
            return self._validated(document, sha256(text.encode()).hexdigest())
        except QueryTooComplexError as error:
            return PreparedDocument(document, [refusal(error)])

    def _validated(self, document: DocumentNode, digest: str) -> PreparedDocument:
        measured = measure(document, self._limits)
        for operation, shape in measured:
            check(operation, shape, self._limits)
        errors = validate(self._schema, document, RULES, max_errors=self._limits.errors, hide_suggestions=True)
        if errors:
            reported_errors = [validation_failed(error, self._limits) for error in errors[: self._limits.errors]]
            return PreparedDocument(document, reported_errors)
        nul = _NulFinder()
        visit(document, nul)
        if nul.is_found:
            return PreparedDocument(
                document, [refusal(ValidationFailedError("Text must not contain the character U+0000."))]
            )
        plain = without_defer(document) or document
        deferring = document if plain is not document else None
        self._compactor.compact(plain)
        if deferring is not None:
            self._compactor.compact(deferring)
        operations = self._operations(digest, plain, deferring, measured)
        return PreparedDocument(plain, operations=operations, tokens=document.token_count)

    def _operations(
        self,
        digest: str,
        document: DocumentNode,
        deferring: DocumentNode | None,
        measured: Sequence[tuple[OperationDefinitionNode, Shape]],
    ) -> list[DocumentOperation]:
        """Prepare the operations of a valid document."""
        sized_by, switches = size_variables(document), find_switches(document)
        nodes: Sequence[int | None] = [None] * len(measured) if sized_by else self._count(document, measured)
        return [
            DocumentOperation(
                digest,
                document,
                deferring if node.operation is OperationType.QUERY and not shape.meta_depth else None,
                node,
                introspects=shape.meta_depth > 0,
                root_fields=shape.fields,
                sized_by=sized_by,
                nodes=shape.all_fields * _NODES_PER_INTROSPECTED_FIELD if shape.meta_depth else count,
                selections=Selections(switches, self.compiled, shape.all_fields),
                plans=Plans(switches, self.compiled, shape.all_fields),
            )
            for (node, shape), count in zip(measured, nodes, strict=True)
        ]

    def _count(self, document: DocumentNode, measured: Sequence[tuple[OperationDefinitionNode, Shape]]) -> list[int]:
        operations = [node for node, _ in measured]
        return count_nodes(self._fields, document, operations, {}, self._limits.list_size)

    def nodes(self, operation: DocumentOperation, variables: Mapping[str, object]) -> int:
        """Return the maximum number of objects of the operation with these variables."""
        if operation.nodes is not None:
            return operation.nodes
        sizes = read_sizes(operation.node, operation.sized_by, variables)
        (count,) = count_nodes(self._fields, operation.document, [operation.node], sizes, self._limits.list_size)
        return count
