"""The common part of all requests that start a run, which makes them idempotent."""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from nexent_gql.domains.runs.spec import ToolOffers
from nexent_gql.kernel.json import dumps
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import single_line
from nexent_gql.kernel.timezones import require_timezone
from nexent_gql.ports.content import ContentPart, encode_parts, join_text, text_parts

MAX_CLIENT_ID_CHARS = 128


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request for a run.

    Attributes:
        client_id: The client's own id of the request.
        facts: What must be equal when the client id is used again.
        time_zone: The user's time zone for this run; None: the one of their account.
        api_key_id: The API key of the request; None: it came with a session.
        offers: The tools of providers that have been loaded.
    """

    client_id: str | None
    facts: tuple[str, ...]
    time_zone: str | None = None
    api_key_id: UUID | None = None
    offers: ToolOffers = field(default_factory=ToolOffers, compare=False)

    @property
    def hash(self) -> str:
        """A digest of the facts."""
        return sha256(dumps(self.facts)).hexdigest()


async def run_request(actor: Principal, client_id: str | None, time_zone: str | None, *facts: str) -> RunRequest:
    """Validate the common part of a request.

    Raises:
        InvalidInputError: The client id is not one line of 1 to 128 characters, or there is no such time zone.
    """
    key = None if client_id is None else single_line(client_id, "clientId", max_chars=MAX_CLIENT_ID_CHARS)
    zone = None if time_zone is None else await asyncio.to_thread(require_timezone, time_zone, "timeZone")
    return RunRequest(key, facts, zone, actor.api_key_id)


def content_facts(content: tuple[ContentPart, ...]) -> tuple[str, ...]:
    """Return what a repeated request must have in common; text alone has the format of releases without parts."""
    text = join_text(content)
    return (text,) if content == text_parts(text) else (text, dumps(encode_parts(content)).decode())
