"""One connection to a real Valkey, read without redis-py."""

import asyncio
from collections.abc import AsyncGenerator, Generator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from nexent_gql.adapters.redis_connection import Frame, RedisConnection
from nexent_gql.adapters.redis_multiplexer import encode_command
from tests.support.valkey import ValkeyUnderTest, running_valkey
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


@pytest.fixture
async def wire(valkey: ValkeyUnderTest) -> AsyncGenerator[RedisConnection]:
    opened = await RedisConnection.open(valkey.url)
    yield opened
    await opened.aclose()


async def test_answers_come_in_the_order_of_their_commands(wire: RedisConnection) -> None:
    await wire.send(b"".join(encode_command(("ECHO", number)) for number in range(1_000)))
    assert [await wire.answer() for _ in range(1_000)] == [str(number).encode() for number in range(1_000)]


async def test_a_refusal_is_raised_as_what_it_is_and_the_connection_goes_on(wire: RedisConnection) -> None:
    await wire.send(encode_command(("EVALSHA", "0" * 40, 0)) + encode_command(("NOPE",)) + encode_command(("PING",)))
    with pytest.raises(NoScriptError):
        await wire.answer()
    with pytest.raises(ResponseError, match="unknown command"):
        await wire.answer()
    assert await wire.answer() == b"PONG"


async def test_what_is_pushed_is_given_whole_and_in_order(wire: RedisConnection, valkey: ValkeyUnderTest) -> None:
    frames: list[Frame] = []
    await wire.subscribe([b"one", b"two"])
    listening = asyncio.create_task(wire.listen(frames.append))
    publisher = await RedisConnection.open(valkey.url)
    await eventually(lambda: len(frames) == 2)  # both are confirmed
    texts = [b"x" * size for size in range(0, 200_000, 5_000)]
    await publisher.send(b"".join(encode_command(("PUBLISH", "two", text)) for text in texts))
    assert [await publisher.answer() for _ in texts] == [1] * len(texts)
    await wire.unsubscribe([b"one"])
    await eventually(lambda: frames[-1][0] == b"unsubscribe")
    assert frames[2:-1] == [[b"message", b"two", text] for text in texts]
    listening.cancel()
    await publisher.aclose()


async def test_a_lost_connection_ends_everything_on_it() -> None:
    with running_valkey() as mortal:
        reading, listening = await RedisConnection.open(mortal.url), await RedisConnection.open(mortal.url)
        waiting = [asyncio.create_task(reading.answer()), asyncio.create_task(listening.listen(print))]
        await asyncio.sleep(0)
        mortal.kill()
        for task in waiting:
            with pytest.raises(RedisConnectionError):
                await task
        with pytest.raises(RedisConnectionError):
            await reading.send(encode_command(("PING",)))
        await reading.aclose()
        await listening.aclose()
