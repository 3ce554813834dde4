"""Shards carried out by an executor: each is done again if its worker was lost, and none twice."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from kvplan.arguments import ArgumentError, as_argument
from kvplan.errors import KvplanError, OptionsError
from kvplan.records import record

Result = TypeVar("Result")

_MOST_WORKERS = 1024

ATTEMPTS = 3
"""How often a shard is tried before a run ends for it."""

_AHEAD = 16
"""Shards that are asked for before the first of them is taken: what they hold is kept in memory."""


@record
class Workers:
    """Who carries shards out: an executor that someone gave, or as many processes of our own."""

    executor: Executor | None = None
    count: int | None = None

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Give an executor; one of our own ends with its use."""
        if self.executor is not None:
            yield self.executor
            return
        pool = ProcessPoolExecutor(self.count, initializer=_leave_interrupts)
        try:
            yield pool
        except BaseException:
            # Nobody waits for the shards that run: files are whole or not there.
            for process in list((pool._processes or {}).values()):  # noqa: SLF001 - public from Python 3.14 on
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts() -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the one that waits for the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def read_workers(executor: object, count: object) -> Workers | None:
    """Return who was asked for; None for nobody. Raises a KvplanError for what is neither, and for both."""
    if executor is not None and count is not None:
        raise OptionsError("give an executor or a number of workers, not both")
    if executor is not None and not isinstance(executor, Executor):
        raise ArgumentError("kvplan.sweep: executor: expected a concurrent.futures.Executor, or None")
    number = as_argument(count, int | None, "kvplan.sweep: workers")
    if isinstance(number, int) and not 1 <= number <= _MOST_WORKERS:
        raise OptionsError(f"workers is {number}: give a number of processes, 1 to {_MOST_WORKERS}")
    if executor is None and number is None:
        return None
    return Workers(executor=executor, count=number if isinstance(number, int) else None)


def carry_out(
    workers: Workers, task: Callable[[int], Any], numbers: Iterable[int], done: Callable[[int], None]
) -> None:
    """
    Run *task* for each of the *numbers*, in any order, and call *done* behind each.

    A KvplanError ends it at once. Whatever else went wrong, a lost worker above all, is tried again on new
    workers; raises KvplanError for what fails ATTEMPTS times.
    """
    left = set(numbers)
    failure: BaseException | None = None
    for _ in range(ATTEMPTS):
        if not left:
            return
        with workers.open() as executor:
            failure = _round(executor, task, left, done)
    if left:
        raise KvplanError(
            f"part {min(left)} failed {ATTEMPTS} times: {type(failure).__name__}: {failure}; the rest is kept"
        )


def _round(
    executor: Executor, task: Callable[[int], Any], left: set[int], done: Callable[[int], None]
) -> BaseException | None:
    """Run what is *left* once, take out what is done, and return the last failure."""
    failure: BaseException | None = None
    waiting: dict[Future[Any], int] = {}
    try:
        for number in sorted(left):
            waiting[executor.submit(task, number)] = number
    except RuntimeError as error:  # A pool that has lost a worker takes no more.
        failure = error
    try:
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                number = waiting.pop(future)
                found = future.exception()
                if isinstance(found, KvplanError):
                    raise found
                if found is None:
                    left.discard(number)
                    done(number)
                failure = found or failure
    finally:
        for future in waiting:
            future.cancel()
    return failure


def in_order(workers: Workers, task: Callable[[int], Result], numbers: Sequence[int]) -> Iterator[Result]:
    """Yield the result of *task* for each of the *numbers*, in order, some ahead; raise as carry_out."""
    at = 0
    failure: Exception | None = None
    for _ in range(ATTEMPTS):
        if at == len(numbers):
            return
        with workers.open() as executor:
            ahead: deque[Future[Result]] = deque()
            submitted = at
            try:
                while at < len(numbers):
                    while submitted < len(numbers) and len(ahead) < _AHEAD:
                        ahead.append(executor.submit(task, numbers[submitted]))
                        submitted += 1
                    yield ahead.popleft().result()
                    at += 1
            except (KvplanError, GeneratorExit):
                raise
            except Exception as error:  # noqa: BLE001 - a lost worker is told by any error of its executor
                failure = error
            finally:
                for future in ahead:
                    future.cancel()
    if at < len(numbers):
        raise KvplanError(f"a part failed {ATTEMPTS} times: {type(failure).__name__}: {failure}")
