"""docs/errors.md, generated from the error classes; `make schema` writes it beside schema.graphql."""

from nexent_gql.api.schema.codes import CATALOGUE, CodeEntry
from nexent_gql.api.transport.answers import status_of

_HEAD = """\
# Error codes

Generated from the error classes; do not edit.

A failure that a client can act on is a member of a mutation's result union and implements `Error {message code}`.
Every other failure is an entry of `errors` whose `extensions.code` is one of these; `extensions.classification` is the
code's family where it has one, `extensions.path` names the input field, `extensions.details` holds the facts, and
`extensions.retryable` is true if the same request may work later.
A bug is always `INTERNAL_SERVER_ERROR`, with an `extensions.errorId` that the server's log has too.

Codes are added over time: treat one that you do not know like its family. The status is that of a request which is
refused as a whole, for clients that accept `application/graphql-response+json`.

| Code | Family | Status | Retry | Meaning |
|---|---|---|---|---|
"""


def _row(entry: CodeEntry) -> str:
    family = f"`{entry.family}`" if entry.family else ""
    meaning = entry.meaning.replace("|", "\\|")
    return f"| `{entry.code}` | {family} | {status_of(entry.code)} | {'yes' if entry.retryable else ''} | {meaning} |\n"


def errors_page() -> str:
    return _HEAD + "".join(_row(entry) for entry in CATALOGUE.values())
