"""Stored secrets under a new key: all of them, while they are used, also where the rotation is interrupted."""

import asyncio
import json
from collections import Counter

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.cli.secrets import BATCH, Outcome, go_through_secrets, sealed_columns
from nexent_gql.db.session import Database
from nexent_gql.domains.models.policy import ModelConfig, ModelPatch
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect
from nexent_gql.ports.secrets import SecretUnreadableError, secret_place
from tests.support.databases import make_settings
from tests.support.factory import Factory
from tests.support.installation import run_command

OLD, NEW = SecretStr("an old installation secret of 40 letters"), SecretStr("a new installation secret of 40 letters.")
BEFORE, DURING, AFTER = AesGcmSecretBox([OLD]), AesGcmSecretBox([NEW, OLD]), AesGcmSecretBox([NEW])


def service(database: Database, box: AesGcmSecretBox) -> ModelService:
    return ModelService(database, LanguageModelGateway({}), box, utc_now)


async def register(database: Database, actor: Principal, count: int) -> None:
    models = service(database, BEFORE)
    for number in range(count):
        config = ModelConfig(
            Dialect.OPENAI, "m", base_url="https://llm.example/v1", api_key=SecretStr(f"sk-{actor.user_id}-{number}")
        )
        await models.register(actor, f"Model {number}", config)


async def keys_of(database: Database, actor: Principal, box: AesGcmSecretBox) -> set[str]:
    """Return the keys of a tenant's models, opened."""
    models = service(database, box)
    rows = (await models.page(actor, PageRequest(size=100))).rows
    async with database.read(actor.tenant_id) as session:
        endpoints = [await models.endpoint(session, actor.tenant_id, row.id) for row in rows]
    return {endpoint.api_key.get_secret_value() for endpoint in endpoints if endpoint.api_key}


def keys(actor: Principal, count: int) -> set[str]:
    return {f"sk-{actor.user_id}-{number}" for number in range(count)}


async def test_a_rotation_reaches_all_tenants_and_can_be_repeated(database: Database, make: Factory) -> None:
    actors = [await make.principal() for _ in range(3)]
    await make.principal(beside=actors[0])
    await make.model(actors[0])
    for actor in actors:
        await register(database, actor, 3)
    assert await go_through_secrets(database, DURING, rotates=False) == Counter({Outcome.OLD: 9})
    assert await go_through_secrets(database, DURING, rotates=True) == Counter({Outcome.OLD: 9})
    assert await go_through_secrets(database, DURING, rotates=True) == Counter({Outcome.CURRENT: 9})
    for actor in actors:
        assert await keys_of(database, actor, AFTER) == keys(actor, 3)
        with pytest.raises(SecretUnreadableError):
            await keys_of(database, actor, BEFORE)


async def test_more_secrets_than_one_transaction_takes(database: Database, make: Factory) -> None:
    actor = await make.principal()
    rows = [
        ChatModel(
            tenant_id=actor.tenant_id,
            id=new_id(),
            name=f"Model {number}",
            dialect="OPENAI",
            base_url="https://llm.example/v1",
            model_name="m",
            created_by=actor.user_id,
        )
        for number in range(2 * BATCH)
    ]
    for row in rows:
        place = secret_place(row.tenant_id, "chat_model", "api_key_sealed", row.id)
        row.api_key_sealed = BEFORE.seal(SecretStr("sk"), place)
    async with database.transaction(actor.tenant_id) as session:
        session.add_all(rows)
    assert await go_through_secrets(database, DURING, rotates=True) == Counter({Outcome.OLD: 2 * BATCH})
    assert await go_through_secrets(database, AFTER, rotates=False) == Counter({Outcome.CURRENT: 2 * BATCH})


async def test_an_interrupted_rotation_is_finished_by_the_next(database: Database, make: Factory) -> None:
    actors = [await make.principal() for _ in range(4)]
    for actor in actors:
        await register(database, actor, 2)
    for delay_s in (0.005, 0.02, 0.05, 0.1):
        rotation = asyncio.create_task(go_through_secrets(database, DURING, rotates=True))
        await asyncio.sleep(delay_s)
        rotation.cancel()
        await asyncio.wait([rotation])
        for actor in actors:
            assert await keys_of(database, actor, DURING) == keys(actor, 2)
    counts = await go_through_secrets(database, DURING, rotates=True)
    assert counts[Outcome.OLD] + counts[Outcome.CURRENT] == 8
    assert await go_through_secrets(database, AFTER, rotates=False) == Counter({Outcome.CURRENT: 8})


async def test_a_key_that_is_entered_meanwhile_stays(database: Database, make: Factory) -> None:
    actor = await make.principal()
    await register(database, actor, 1)
    (row,) = (await service(database, DURING).page(actor, PageRequest())).rows
    models = service(database, BEFORE)  # a process that was not restarted yet

    async def enter(number: int) -> None:
        await models.update(actor, row.id, ModelPatch(api_key=SecretStr(f"sk-entered-{number}")))

    await asyncio.gather(*[enter(n) for n in range(10)], go_through_secrets(database, DURING, rotates=True))
    await enter(10)
    await go_through_secrets(database, DURING, rotates=True)
    assert await keys_of(database, actor, AFTER) == {"sk-entered-10"}


async def test_a_secret_of_an_unknown_key_is_left_and_reported(database: Database, make: Factory) -> None:
    actor = await make.principal()
    await register(database, actor, 2)
    assert await go_through_secrets(database, AFTER, rotates=True) == Counter({Outcome.UNREADABLE: 2})
    assert await keys_of(database, actor, BEFORE) == keys(actor, 2)


async def test_the_command_rotates(database: Database, make: Factory, owner_url: str, redis_url: str) -> None:
    actor = await make.principal()
    await register(database, actor, 2)
    settings = make_settings(owner_url, redis_url)
    environment = {
        f"NEXENT_{name.upper()}": getattr(settings, name).get_secret_value()
        for name in ("database_url", "system_database_url", "redis_url")
    }
    environment |= {"NEXENT_SECRET_KEY": OLD.get_secret_value()}
    rotating = {**environment, "NEXENT_ENCRYPTION_KEYS": json.dumps([NEW.get_secret_value()])}

    async def run(name: str, variables: dict[str, str]) -> tuple[int, str]:
        result = await asyncio.to_thread(run_command, "secrets", name, environment=variables)
        return result.returncode, result.stdout

    assert await run("status", rotating) == (0, "0 under the current key, 2 under earlier keys, 0 unreadable\n")
    assert await run("rotate", rotating) == (0, "2 encrypted again, 0 under the current key before, 0 unreadable\n")
    assert await keys_of(database, actor, AFTER) == keys(actor, 2)
    status, text = await run("rotate", environment)
    assert status == 1
    assert text.startswith("0 encrypted again, 0 under the current key before, 2 unreadable\n")


def test_every_column_of_a_secret_is_known() -> None:
    names = {f"{table.name}.{column.name}" for table, column in sealed_columns()}
    assert "chat_model.api_key_sealed" in names
    assert all({"id", "tenant_id"} <= set(table.columns.keys()) for table, _ in sealed_columns())
