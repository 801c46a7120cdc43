"""A loader asks once for what many want, and each who asks is on their own."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from nexent_gql.api.loader import MAX_BATCH, Loader


class Store:
    """Gives tenfold keys; fails where -1 is asked for."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.has_begun = asyncio.Event()

    async def load(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.batches.append(list(keys))
        self.has_begun.set()
        await asyncio.sleep(0)
        if -1 in keys:
            raise ValueError("no such key")
        return {key: key * 10 for key in keys}


async def test_keys_are_loaded_together_and_once() -> None:
    store = Store()
    loader = Loader(store.load, caches=True)
    assert await asyncio.gather(loader.load(1), loader.load(2), loader.load(1)) == [10, 20, 10]
    assert await loader.load_many([2, 3]) == [20, 30]
    assert await loader.load_all([3, None, 4, 3]) == [30, None, 40, 30]
    assert store.batches == [[1, 2], [3], [4]]


async def test_who_keeps_nothing_asks_again() -> None:
    store = Store()
    loader = Loader(store.load, caches=False)
    for _ in range(2):
        assert await asyncio.gather(loader.load(1), loader.load(1)) == [10, 10]
    assert store.batches == [[1], [1]]


async def test_who_comes_while_a_key_is_loaded_waits_for_it() -> None:
    store = Store()
    loader = Loader(store.load, caches=True)
    first = loader.load(1)
    await store.has_begun.wait()
    assert await asyncio.gather(first, loader.load(1)) == [10, 10]
    assert store.batches == [[1]]


async def test_what_fails_fails_for_all_of_its_batch_and_stays_failed() -> None:
    store = Store()
    loader = Loader(store.load, caches=True)
    errors = await asyncio.gather(loader.load(-1), loader.load(1), return_exceptions=True)
    assert [type(error) for error in errors] == [ValueError, ValueError]
    with pytest.raises(ValueError, match="no such key"):
        await loader.load(1)
    assert store.batches == [[-1, 1]]


async def test_what_nobody_waits_for_any_more_is_not_loaded() -> None:
    store = Store()
    loader = Loader(store.load, caches=True)
    loader.load(1).cancel()
    given_up, waiting = loader.load(2), loader.load(2)
    given_up.cancel()
    assert await waiting == 20
    assert store.batches == [[2]]


async def test_batches_are_bounded() -> None:
    store = Store()
    keys = list(range(MAX_BATCH + 1))
    assert await Loader(store.load, caches=True).load_many(keys) == [key * 10 for key in keys]
    assert sorted(map(len, store.batches)) == [1, MAX_BATCH]
