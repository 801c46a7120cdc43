"""One read-only transaction for the reads of an operation, which saves a BEGIN and a COMMIT for each but the first."""

from asyncio import Lock, Task, TimerHandle, create_task, current_task, gather, get_running_loop, timeout
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import ContextVar

from asyncpg import InterfaceError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

MAX_IDLE_S = 0.02
"""An operation may wait for other systems between two reads, and must not keep a connection meanwhile."""

MAX_WAIT_S = 0.05
"""To wait for a short read costs less than another transaction; a long read must not delay others."""

Begin = Callable[[], AbstractAsyncContextManager[AsyncSession]]
"""Opens a session in a transaction, which ends with the context."""

_current: ContextVar["SharedReads | None"] = ContextVar("shared_reads", default=None)


class SharedReads:
    """The transaction that reads of one operation use in turn.

    A statement sees what is committed when it begins, as in a transaction of its own. A read that fails rolls the
    transaction back; the next one begins another.
    """

    def __init__(self) -> None:
        self._turn = Lock()
        self._reader: Task[object] | None = None
        self._transaction: AbstractAsyncContextManager[AsyncSession] | None = None
        self._session: AsyncSession | None = None
        self._binding: tuple[object, str] | None = None
        self._timer: TimerHandle | None = None
        self._ending: set[Task[None]] = set()
        self._is_closed = False

    @asynccontextmanager
    async def read(self, binding: tuple[object, str], begin: Begin) -> AsyncGenerator[AsyncSession]:
        """Open a session without rows for one read.

        Args:
            binding: The pool, and the statement that binds its transaction; reads with another one are kept apart.
            begin: Opens the transaction.
        """
        if self._is_closed or self._is_nested() or not await self._acquire():
            async with begin() as session:
                yield session
            return
        self._reader = current_task()
        try:
            self._stop_timer()
            try:
                session = await self._open(binding, begin)
                yield session
            except BaseException as error:
                await self._roll_back(error)
                raise
            session.sync_session.expunge_all()
            if self._is_closed:
                await self._commit()
            else:
                self._timer = get_running_loop().call_later(MAX_IDLE_S, self._expire)
        finally:
            self._reader = None
            self._turn.release()

    async def close(self) -> None:
        """End the transaction; a read that has not finished ends it itself."""
        self._is_closed = True
        self._stop_timer()
        if not self._turn.locked():
            async with self._turn:
                await self._commit()
        if self._ending:
            await gather(*self._ending)

    def _is_nested(self) -> bool:
        """Tell whether this task has the turn already, so that waiting for it is in vain."""
        return self._reader is not None and self._reader is current_task()

    async def _acquire(self) -> bool:
        """Wait for the turn; False if a read takes too long."""
        if not self._turn.locked():
            return await self._turn.acquire()
        try:
            async with timeout(MAX_WAIT_S):
                return await self._turn.acquire()
        except TimeoutError:
            return False

    async def _open(self, binding: tuple[object, str], begin: Begin) -> AsyncSession:
        if self._session is not None and self._binding == binding:
            return self._session
        await self._commit()
        transaction = begin()
        self._session = session = await transaction.__aenter__()
        self._transaction, self._binding = transaction, binding
        return session

    async def _roll_back(self, error: BaseException) -> None:
        transaction, self._transaction, self._session = self._transaction, None, None
        if transaction is not None:
            await transaction.__aexit__(type(error), error, error.__traceback__)

    async def _commit(self) -> None:
        """End the transaction; that it cannot be ended changes nothing of what was read."""
        transaction, self._transaction, self._session = self._transaction, None, None
        if transaction is not None:
            with suppress(SQLAlchemyError, InterfaceError, OSError):
                await transaction.__aexit__(None, None, None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        task = create_task(self._end_idle())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end_idle(self) -> None:
        if not self._turn.locked():
            async with self._turn:
                await self._commit()


@asynccontextmanager
async def shared_reads() -> AsyncGenerator[None]:
    """Let reads of this task, and of tasks that begin within the block, share a transaction."""
    reads = SharedReads()
    token = _current.set(reads)
    try:
        yield
    finally:
        _current.reset(token)
        await reads.close()


def current_reads() -> SharedReads | None:
    """Return what the reads of this operation share; None outside of one."""
    return _current.get()
