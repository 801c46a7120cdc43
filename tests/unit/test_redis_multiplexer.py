import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from nexent_gql.adapters.redis_multiplexer import ConnectionStalledError, RedisMultiplexer, encode_command
from tests.support.stopwatch import Stopwatch


@dataclass
class Echo:
    """A server that answers each command with itself, a "fail" with an error, and from a "hang" on nothing."""

    writes: list[bytes] = field(default_factory=list[bytes])
    answers: asyncio.Queue[object] = field(default_factory=asyncio.Queue[object])
    hangs: bool = False
    is_closed: bool = False

    async def send(self, packed: bytes) -> None:
        self.writes.append(packed)
        for word in packed.decode().split("\r\n")[2::3]:
            if word == "break":
                self.answers.put_nowait(RedisConnectionError("broken"))
            elif word == "hang" or self.hangs:
                self.hangs = True
            else:
                self.answers.put_nowait(ResponseError(word) if word == "fail" else word)

    async def answer(self) -> object:
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class Server:
    """Gives out connections, or refuses."""

    connections: list[Echo] = field(default_factory=list[Echo])
    refuses: bool = False

    async def connect(self) -> Echo:
        if self.refuses:
            raise RedisConnectionError("refused")
        self.connections.append(Echo())
        return self.connections[-1]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def pipe(server: Server) -> AsyncGenerator[RedisMultiplexer]:
    opened = RedisMultiplexer(server.connect, answer_timeout_s=0.4)
    yield opened
    await opened.aclose()
    assert all(connection.is_closed for connection in server.connections)


def test_encodes_words_bytes_and_numbers() -> None:
    assert (
        encode_command(["SET", "ä", b"\0\r\n", 7])
        == b"*4\r\n$3\r\nSET\r\n$2\r\n\xc3\xa4\r\n$3\r\n\0\r\n\r\n$1\r\n7\r\n"
    )


async def test_commands_of_one_turn_are_one_write_and_answers_keep_their_order(
    pipe: RedisMultiplexer, server: Server
) -> None:
    words = [f"w{number}" for number in range(50)]
    assert await asyncio.gather(*(pipe.execute(word) for word in words)) == words
    assert len(server.connections[0].writes) == 1


async def test_an_error_is_the_answer_of_its_command_only(pipe: RedisMultiplexer, server: Server) -> None:
    answers = await asyncio.gather(*map(pipe.execute, ["a", "fail", "b"]), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["a", "fail", "b"]
    assert isinstance(answers[1], ResponseError)
    assert len(server.connections) == 1


async def test_who_gives_up_leaves_the_others_their_answers(pipe: RedisMultiplexer) -> None:
    answers = [pipe.execute(word) for word in ("a", "b", "c")]
    await asyncio.sleep(0)
    answers[1].cancel()
    assert [await answers[0], await answers[2]] == ["a", "c"]


async def test_what_a_broken_connection_left_unanswered_is_sent_once_more(
    pipe: RedisMultiplexer, server: Server
) -> None:
    first = pipe.execute("hang")
    await asyncio.sleep(0.01)
    second = pipe.execute("break")
    with pytest.raises(RedisConnectionError):
        await second
    with pytest.raises(RedisConnectionError):
        await first
    assert await pipe.execute("a") == "a"
    assert [len(connection.writes) for connection in server.connections] == [2, 1, 1]


async def test_the_second_try_keeps_its_place_ahead_of_what_came_later(pipe: RedisMultiplexer, server: Server) -> None:
    first = pipe.execute("a")
    assert await first == "a"
    server.connections[0].answers.put_nowait(RedisConnectionError("broken"))
    assert await asyncio.gather(pipe.execute("b"), pipe.execute("c")) == ["b", "c"]
    assert server.connections[-1].writes == [encode_command(["b"]) + encode_command(["c"])]


async def test_a_server_that_is_not_there_is_said_at_once_and_found_again(
    pipe: RedisMultiplexer, server: Server
) -> None:
    server.refuses = True
    for _ in range(3):
        watch = Stopwatch()
        with pytest.raises(RedisConnectionError, match="refused"):
            await pipe.execute("a")
        assert watch.elapsed_s() < 0.5
    server.refuses = False
    assert await pipe.execute("a") == "a"


async def test_a_primary_that_was_demoted_is_left(pipe: RedisMultiplexer, server: Server) -> None:
    assert await pipe.execute("a") == "a"
    server.connections[0].answers.put_nowait(ReadOnlyError("READONLY"))
    assert await pipe.execute("b") == "b"
    assert len(server.connections) == 2


async def test_no_answer_is_noticed_and_the_connection_given_up(pipe: RedisMultiplexer, server: Server) -> None:
    loop = asyncio.get_running_loop()
    began, watch = loop.time(), Stopwatch()
    answers = await asyncio.gather(pipe.execute("hang"), pipe.execute("a"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionStalledError, ConnectionStalledError]
    assert loop.time() - began >= 0.4
    assert watch.elapsed_s() < 1.5
    assert await pipe.execute("b") == "b"
    assert len(server.connections) == 2


async def test_closing_fails_what_is_not_answered(server: Server) -> None:
    pipe = RedisMultiplexer(server.connect)
    hanging = pipe.execute("hang")
    await asyncio.sleep(0.01)
    await pipe.aclose()
    with pytest.raises(RedisError):
        await hanging
    assert server.connections[0].is_closed
