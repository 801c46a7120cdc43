"""No credential can be found in the database, nor in anything that was logged."""

import logging
from collections.abc import Iterable
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.errors import (
    InvalidCredentialsError,
    InvalidRefreshTokenError,
    InvalidTokenError,
    WeakPasswordError,
)
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.values import Client
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.principal import Principal, Scope
from nexent_gql.tables import metadata
from tests.support.clock import MovableClock

PASSWORD, WRONG, WEAK = "canary-password-2718281828", "canary-wrong-3141592653", "canaryyy"
API_KEY = SecretStr("sk-canary-1414213562")


async def dump(database: Database, tenant_id: UUID) -> str:
    """Return every value of every table as text, bytes as text and as hexadecimal digits."""
    lines: list[str] = []
    for table in metadata.sorted_tables:
        for begin in (database.read(tenant_id), database.system()):
            async with begin as session:
                role = (await session.execute(text("SELECT current_user"))).scalar_one()
                right = text("SELECT has_table_privilege(:role, :table, 'SELECT')")
                if (await session.execute(right, {"role": role, "table": table.name})).scalar_one():
                    rows = (await session.execute(table.select())).all()
                    lines += [_shown(value) for row in rows for value in row]
    return "\n".join(lines)


def _shown(value: object) -> str:
    return f"{value.decode('latin-1')} {value.hex()}" if isinstance(value, bytes) else str(value)


def parts(credentials: Iterable[str]) -> set[str]:
    """Return what must not be found: the credentials, the secret halves of them, and all of it in hexadecimal."""
    whole = set(credentials)
    halves = {piece for credential in whole for piece in credential.replace("_", ".").split(".")[1:] if len(piece) > 20}
    return whole | halves | {one.encode().hex() for one in whole | halves}


async def test_no_credential_is_stored_or_logged(
    identity: IdentityService,
    database: Database,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    first = await identity.sign_in.sign_up(
        email="ada@example.com", password=SecretStr(PASSWORD), display_name="Ada", tenant_name="T", client=Client()
    )
    entered = await identity.sign_in.sign_in(email="ada@example.com", password=SecretStr(PASSWORD), client=Client())
    following = await identity.sessions.refresh(entered.refresh)
    actor = await identity.authenticate(following.access.text.get_secret_value())
    key = await identity.api_keys.create(actor, name="a program", scopes=list(Scope), expires_at=None)
    await identity.authenticate(key.text.get_secret_value())
    await store_model(database, actor)
    clock.pass_s(60)
    await fail(identity, entered.refresh)
    tokens = (first.access.text, first.refresh, entered.access.text, entered.refresh, following.refresh, key.text)
    secrets = parts([PASSWORD, WRONG, WEAK, API_KEY.get_secret_value(), *(one.get_secret_value() for one in tokens)])
    stored, logged = await dump(database, actor.tenant_id), "\n".join((*capfd.readouterr(), caplog.text))
    assert {"ada@example.com", key.row.key_id} <= set(stored.split())
    assert "identity.refresh_token_reused" in logged
    assert {secret for secret in secrets if secret in stored} == set()
    assert {secret for secret in secrets if secret in logged} == set()


async def store_model(database: Database, actor: Principal) -> None:
    """Store a model's key as its service does."""
    box = AesGcmSecretBox([SecretStr("a secret key for tests, 32 or more")])
    model = ChatModel(tenant_id=actor.tenant_id, name="a model", model_name="m", created_by=actor.user_id)
    model.api_key_sealed = box.seal(API_KEY, f"{actor.tenant_id}/chat_model/api_key/{model.id}")
    async with database.transaction(actor.tenant_id) as session:
        session.add(model)


async def fail(identity: IdentityService, used: SecretStr) -> None:
    """Fail in every way that has a secret at hand."""
    with pytest.raises(InvalidCredentialsError):
        await identity.sign_in.sign_in(email="ada@example.com", password=SecretStr(WRONG), client=Client())
    with pytest.raises(WeakPasswordError):
        await identity.sign_in.sign_up(
            email="eve@example.com", password=SecretStr(WEAK), display_name="E", tenant_name="T", client=Client()
        )
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(used)
    with pytest.raises(InvalidTokenError):
        await identity.authenticate(used.get_secret_value())
