"""Nobody sees another tenant."""

from sqlalchemy import text

from nexent_gql.db.session import Database
from tests.support.factory import Factory


async def test_first(database: Database, make: Factory) -> None:
    ada, eve = await make.principal(), await make.principal()
    async with database.read(ada.tenant_id) as session:
        rows = (await session.execute(text("SELECT tenant_id FROM user_account"))).scalars().all()
    assert rows == [ada.tenant_id]
    assert eve.tenant_id != ada.tenant_id


async def test_second(database: Database, make: Factory, redis_url: str) -> None:
    ada = await make.principal()
    assert redis_url
    async with database.system() as session:
        rows = (await session.execute(text("SELECT tenant_id FROM user_account"))).scalars().all()
    assert rows == [ada.tenant_id]
