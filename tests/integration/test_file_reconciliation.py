"""What crashes and expired uploads leave behind is found and deleted, and nothing else."""

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from nexent_gql.db.session import Database
from nexent_gql.domains.files.jobs import ReconcileObjects, object_key, part_key
from nexent_gql.domains.files.policy import UploadDraft
from nexent_gql.domains.files.tables import FileUpload
from nexent_gql.jobs.lease import Lease
from nexent_gql.kernel.ids import new_id
from tests.support.clock import MovableClock
from tests.support.factory import Factory
from tests.support.file_services import LIMITS, Files, file_services


@pytest.fixture
def setting(database: Database, clock: MovableClock, tmp_path: Path) -> Generator[Files]:
    with file_services(database, clock, tmp_path / "objects") as services:
        yield services


async def test_only_objects_without_an_owner_are_orphans_and_only_when_they_are_old(
    setting: Files, make: Factory
) -> None:
    ada, eve = await make.principal(), await make.principal()
    await setting.upload(ada, b"one")
    await setting.upload(eve, b"one")
    await setting.run_deletions(ada)
    await setting.run_deletions(eve)
    keys = await setting.keys()
    assert len(keys) == 2
    orphans = [object_key(ada.tenant_id, new_id()), part_key(eve.tenant_id, new_id(), 1)]
    for key in (*orphans, "objects/not-a-tenant/x", "other/thing"):
        await setting.put(key)
    assert (await setting.reconciler.reconcile()).orphans == []
    setting.clock.pass_s(7_200)
    reported = await setting.reconciler.reconcile(deletes=False)
    assert sorted(reported.orphans) == sorted(orphans)
    assert (await setting.reconciler.reconcile()).orphans == reported.orphans
    assert sorted(await setting.keys()) == sorted([*keys, "objects/not-a-tenant/x", "other/thing"])
    assert (await setting.reconciler.reconcile()) == type(reported)([], [])


async def test_missing_content_is_reported(setting: Files, make: Factory) -> None:
    ada, eve = await make.principal(), await make.principal()
    for actor, content in ((ada, b"one"), (ada, b"two"), (eve, b"three")):
        await setting.upload(actor, content)
    await setting.run_deletions(ada)
    await setting.run_deletions(eve)
    keys = await setting.keys()
    await setting.store.delete([keys[0], keys[2]])
    assert sorted((await setting.reconciler.reconcile()).missing) == sorted([keys[0], keys[2]])


async def test_an_upload_that_expires_leaves_nothing(setting: Files, make: Factory) -> None:
    ada = await make.principal()
    upload = await setting.uploads.create(ada, UploadDraft("a.txt", 7))
    await setting.put(part_key(ada.tenant_id, upload.id, 1))
    setting.clock.pass_s(LIMITS.upload_ttl_s + 1)
    assert (await setting.files.usage(ada)).pending_bytes == 0
    setting.clock.pass_s(7_200)
    lease = Lease(setting.database, new_id(), ada.tenant_id, ReconcileObjects.name, fence=1)
    await setting.reconciler.run(lease, ReconcileObjects())
    assert await setting.keys() == []
    async with setting.database.read(ada.tenant_id) as session:
        assert (await session.scalars(select(FileUpload))).all() == []


async def test_a_deleted_file_frees_its_space_when_it_was_the_last(setting: Files, make: Factory) -> None:
    ada = await make.principal()
    one, two = await setting.upload(ada, b"same"), await setting.upload(ada, b"same", "b.txt")
    await setting.run_deletions(ada)
    (key,) = await setting.keys()
    await setting.files.delete(ada, one.id)
    await setting.run_deletions(ada)
    assert await setting.keys() == [key]
    await setting.files.delete(ada, two.id)
    await setting.run_deletions(ada)
    assert await setting.keys() == []
    again = await setting.upload(ada, b"same")
    await setting.run_deletions(ada)
    assert b"".join([block async for block in setting.files.read(ada, again.id)]) == b"same"


async def test_a_part_that_is_replaced_after_it_was_verified_is_not_kept(setting: Files, make: Factory) -> None:
    ada = await make.principal()
    file = await setting.upload(ada, b"verified")
    async with setting.database.read(ada.tenant_id) as session:
        upload_id = (await session.execute(text("SELECT id FROM file_upload"))).scalar_one()
    await setting.put(part_key(ada.tenant_id, upload_id, 1), b"replaced")
    assert b"".join([block async for block in setting.files.read(ada, file.id)]) == b"verified"
    setting.clock.pass_s(7_200)
    await setting.reconciler.reconcile()
    assert len(await setting.keys()) == 1
