"""What every `Passwords` promises."""

import asyncio
import time
from collections.abc import Generator
from statistics import median
from threading import Event

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.passwords_argon2 import Argon2Passwords
from nexent_gql.ports.passwords import Passwords, PasswordsBusyError

PASSWORD = SecretStr("correct horse battery")


@pytest.fixture
def quick() -> Generator[Argon2Passwords]:
    hasher = Argon2Passwords(memory_kib=8, passes=1)
    yield hasher
    hasher.close()


@pytest.fixture
def real() -> Generator[Argon2Passwords]:
    hasher = Argon2Passwords()
    yield hasher
    hasher.close()


async def test_knows_a_password_by_its_hash(quick: Passwords) -> None:
    hashed = await quick.hash(PASSWORD)
    assert PASSWORD.get_secret_value() not in hashed
    assert await quick.verify(PASSWORD, hashed)
    assert not await quick.verify(SecretStr("wrong horse battery"), hashed)
    assert await quick.hash(PASSWORD) != hashed


@pytest.mark.parametrize("hashed", [None, "", "plain text", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
async def test_nothing_fits_what_is_no_hash(quick: Passwords, hashed: str | None) -> None:
    assert not await quick.verify(PASSWORD, hashed)


async def test_tells_hashes_with_weaker_parameters(quick: Passwords, real: Passwords) -> None:
    weak, strong = await quick.hash(PASSWORD), await real.hash(PASSWORD)
    assert (real.is_outdated(weak), real.is_outdated(strong)) == (True, False)
    assert await real.verify(PASSWORD, weak)
    assert strong.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_check_without_a_hash_does_the_same_work() -> None:
    passwords = Argon2Passwords(threads=1)
    pool = passwords._pool  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only its thread knows its processor time
    decoy = passwords._random_hash  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the random hash
    hashed = await passwords.hash(PASSWORD)
    assert (passwords.is_outdated(decoy), len(decoy)) == (False, len(hashed))

    async def processor_s(against: str | None) -> float:
        began_s = await asyncio.wrap_future(pool.submit(time.thread_time))
        await passwords.verify(SecretStr("wrong horse battery"), against)
        return await asyncio.wrap_future(pool.submit(time.thread_time)) - began_s

    # In turns, so that both kinds see the same machine.
    pairs = [(await processor_s(None), await processor_s(hashed)) for _ in range(7)]
    without_hash_s, with_hash_s = (median(times_s) for times_s in zip(*pairs, strict=True))
    passwords.close()
    assert 0.5 < without_hash_s / with_hash_s < 2


async def test_refuses_at_once_what_it_has_no_room_for_and_recovers() -> None:
    passwords, go = Argon2Passwords(threads=1, max_waiting=2, memory_kib=8, passes=1), Event()
    passwords._pool.submit(go.wait)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - keeps the one thread busy
    waiting = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusyError) as caught:
        await passwords.hash(PASSWORD)
    assert (caught.value.code, caught.value.details) == ("RATE_LIMITED", {"retry_after_s": 2})
    waiting[0].cancel()
    go.set()
    assert len(await asyncio.gather(*waiting[1:])) == 2
    assert await passwords.hash(PASSWORD)
    passwords.close()


async def test_the_loop_stays_free_while_passwords_are_hashed(real: Passwords) -> None:
    work = asyncio.gather(*(real.hash(PASSWORD) for _ in range(8)))
    gaps, before = list[float](), time.perf_counter()
    while not work.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        gaps.append(now - before)
        before = now
    await work
    assert len(gaps) > 10
