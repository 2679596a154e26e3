"""Every way a request spreads: threads, pools, forks, children. Each case runs exactly the bodies that it names.

`@case(…)` names the functions whose bodies run besides the case's own; a line marked `# never` is no part of it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.pool
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from tests.exact.sharing import use

OFFSPRING = str(Path(__file__).resolve().with_name("offspring.py"))
FORK = multiprocessing.get_context("fork")
# Made before tracing begins, used by every request.
early_threads = ThreadPoolExecutor(2)
early_thread_pool = multiprocessing.pool.ThreadPool(2)
orphans: list[subprocess.Popen] = []
CASES: dict[str, tuple[tuple[str, ...], str]] = {}


def case(*functions: str, child: str = "") -> Callable:
    def note(function: Callable) -> Callable:
        CASES[function.__name__] = ((function.__name__, *functions), child)
        return function

    return note


# ---- threads


@case("in_thread")
def thread_with_a_target():
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()


def in_thread():
    value = 1
    return value


class Counter(threading.Thread):
    def run(self):
        counted = 2
        self.counted = counted


@case("Counter.run")
def thread_with_its_own_run():
    thread = Counter()
    thread.start()
    thread.join()
    assert thread.counted == 2


@case("own_run")
def thread_with_run_on_the_instance():
    thread = threading.Thread()
    thread.run = own_run
    thread.start()
    thread.join()
    assert thread.__dict__["run"] is own_run


def own_run():
    return 3


@case("started_once")
def thread_started_twice():
    thread = threading.Thread(target=started_once)
    thread.start()
    thread.join()
    try:
        thread.start()
        raise AssertionError("started again")  # never
    except RuntimeError:
        pass
    assert "run" not in thread.__dict__


def started_once():
    return 4


class Starter(threading.Thread):
    def start(self):
        self.prepared = True
        super().start()

    def run(self):
        assert self.prepared


@case("Starter.start", "Starter.run")
def thread_with_its_own_start():
    thread = Starter()
    thread.start()
    thread.join()


@case("as_daemon")
def daemon_thread():
    done = threading.Event()
    threading.Thread(target=as_daemon, args=(done,), daemon=True).start()
    assert done.wait(60)


def as_daemon(done):
    time.sleep(0.01)
    done.set()


@case("nested_outer", "nested_inner")
def thread_of_a_thread():
    thread = threading.Thread(target=nested_outer)
    thread.start()
    thread.join()


def nested_outer():
    inner = threading.Thread(target=nested_inner)
    inner.start()
    inner.join()


def nested_inner():
    return 5


@case("fails_in_thread")
def thread_that_fails():
    thread = threading.Thread(target=fails_in_thread)
    thread.start()
    thread.join()


def fails_in_thread():
    raise SystemExit


@case("rings")
def timer():
    timer = threading.Timer(0.02, rings)
    timer.start()
    timer.join()


def rings():
    return 6


@case()
def timer_cancelled():
    timer = threading.Timer(30, never_rings)
    timer.start()
    timer.cancel()
    timer.join()


def never_rings():
    return 7  # never


@case("after_the_answer")
def thread_that_outlives_the_request():
    threading.Thread(target=after_the_answer).start()


def after_the_answer():
    time.sleep(0.3)
    late = 8
    return late


# ---- thread pools


@case("pool_begins", "pooled", "pool_tells")
def thread_pool_made_inside():
    with ThreadPoolExecutor(2, initializer=pool_begins) as pool:
        assert list(pool.map(pooled, range(3))) == [1, 2, 3]
        future = pool.submit(pooled, 4)
        future.add_done_callback(pool_tells)
        assert future.result() == 5


def pool_begins():
    started = True
    return started


def pooled(number):
    return number + 1


def pool_tells(future):
    assert future.done()


@case("early_pooled")
def thread_pool_made_before():
    assert early_threads.submit(early_pooled, 1).result() == 2


def early_pooled(number):
    return number + 1


@case("shared_pooled")
def thread_pool_made_by_the_first():
    assert use("threads", lambda: ThreadPoolExecutor(1)).submit(shared_pooled).result() == 9


def shared_pooled():
    return 9


@case("blocks")
def thread_pool_with_cancelled_futures():
    begun, go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(blocks, begun, go)
        assert begun.wait(60)  # or the shutdown would cancel it too
        waiting = [pool.submit(cancelled) for _ in range(3)]
        assert waiting[0].cancel()
        pool.shutdown(wait=False, cancel_futures=True)
        go.set()
    assert all(future.cancelled() for future in waiting)


def blocks(begun, go):
    begun.set()
    assert go.wait(60)


def cancelled():
    return 10  # never


@case("mapped", "items", "answered")
def multiprocessing_thread_pool_made_before():
    assert early_thread_pool.map(mapped, [1, 2]) == [1, 4]
    assert list(early_thread_pool.imap(mapped, items())) == [9]
    answers = threading.Semaphore(0)
    early_thread_pool.apply_async(mapped, (4,), callback=lambda value: answered(answers))
    assert answers.acquire(timeout=60)


def mapped(number):
    return number * number


def items():
    yield 3


def answered(answers):
    answers.release()


# ---- asyncio


@case("coroutine", "off_loop", "off_loop_executor", "asked")
def asyncio_in_a_view():
    asyncio.run(coroutine())


async def coroutine():
    found = await asyncio.gather(asked(), asyncio.to_thread(off_loop, 1))
    loop = asyncio.get_running_loop()
    found.append(await loop.run_in_executor(None, off_loop_executor))
    found.append(await loop.run_in_executor(early_threads, off_loop_executor))
    assert found == [0, 2, 3, 3]


async def asked():
    await asyncio.sleep(0)
    return 0


def off_loop(number):
    return number + 1


def off_loop_executor():
    return 3


@case("child_of_a_loop", child="plain")
def asyncio_child():
    asyncio.run(child_of_a_loop())


async def child_of_a_loop():
    child = await asyncio.create_subprocess_exec(sys.executable, OFFSPRING, "plain")
    assert await child.wait() == 0


# ---- forks


@case("in_fork")
def fork_that_leaves():
    child = os.fork()
    if child == 0:
        in_fork()
    assert os.waitpid(child, 0)[1] == 0


def in_fork():
    mine = 11
    os._exit(mine - 11)


@case("in_fork_thread", "thread_of_fork")
def fork_that_starts_a_thread():
    child = os.fork()
    if child == 0:
        in_fork_thread()
    assert os.waitpid(child, 0)[1] == 0


def in_fork_thread():
    thread = threading.Thread(target=thread_of_fork)
    thread.start()
    thread.join()
    os._exit(0)


def thread_of_fork():
    return 12


@case("becomes_another", child="plain")
def fork_that_executes():
    child = os.fork()
    if child == 0:
        becomes_another()
    assert os.waitpid(child, 0)[1] == 0


def becomes_another():
    os.execv(sys.executable, [sys.executable, OFFSPRING, "plain"])


@case("in_process", "SubProcess.run")
def multiprocessing_process():
    processes = [FORK.Process(target=in_process), SubProcess()]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


def in_process():
    return 13


class SubProcess(FORK.Process):
    def run(self):
        self.done = True


@case("process_pool_begins", "squared", "generated", "told")
def multiprocessing_pool_made_inside():
    said = threading.Semaphore(0)
    with FORK.Pool(2, initializer=process_pool_begins) as pool:
        assert pool.map(squared, range(60)) == [number * number for number in range(60)]
        assert sorted(pool.imap_unordered(squared, generated())) == [4, 9]
        assert pool.apply_async(squared, (4,), callback=lambda value: told(said)).get(60) == 16
        assert said.acquire(timeout=60)


def process_pool_begins():
    begun = True
    return begun


def squared(number):
    return number * number


def generated():
    yield 2
    yield 3


def told(said):
    said.release()


@case("early_squared")
def multiprocessing_pool_made_before():
    assert early_processes.map(early_squared, [3]) == [9]


def early_squared(number):
    return number * number


@case("shared_squared")
def multiprocessing_pool_made_by_the_first():
    assert use("processes", lambda: FORK.Pool(1)).apply(shared_squared, (5,)) == 25


def shared_squared(number):
    return number * number


@case("executor_begins", "cubed", "executor_tells")
def process_pool_executor_made_inside():
    with ProcessPoolExecutor(2, mp_context=FORK, initializer=executor_begins) as pool:
        assert list(pool.map(cubed, [2, 3])) == [8, 27]
        said = threading.Semaphore(0)
        pool.submit(cubed, 4).add_done_callback(lambda future: executor_tells(future, said))
        assert said.acquire(timeout=60)


def executor_begins():
    begun = True
    return begun


def cubed(number):
    return number**3


def executor_tells(future, said):
    assert future.result() == 64
    said.release()


@case("shared_cubed")
def process_pool_executor_made_by_the_first():
    pool = use("executor", lambda: ProcessPoolExecutor(1, mp_context=FORK))
    assert pool.submit(shared_cubed, 2).result() == 8


def shared_cubed(number):
    return number**3


@case("spawned_cubed")
def process_pool_executor_that_spawns():
    pool = use("spawning", lambda: ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
    assert pool.submit(spawned_cubed, 2).result() == 8


def spawned_cubed(number):
    return number**3


# ---- child processes


@case(child="plain")
def child_by_run():
    assert subprocess.run([sys.executable, OFFSPRING, "plain"], check=True).returncode == 0


@case(child="plain")
def child_by_check_output_with_an_environment():
    subprocess.check_output([sys.executable, OFFSPRING, "plain"], env={"PATH": os.environ["PATH"], "A": "b"})


@case(child="plain")
def child_by_popen_with_a_positional_environment():
    arguments = [sys.executable, OFFSPRING, "plain"]
    with subprocess.Popen(arguments, -1, None, None, None, None, None, True, False, None, {}) as child:
        assert child.wait() == 0


@case(child="plain")
def child_by_a_shell():
    subprocess.run(f"{sys.executable} {OFFSPRING} plain", shell=True, check=True)


@case(child="plain")
def child_by_posix_spawn():
    child = os.posix_spawn(sys.executable, [sys.executable, OFFSPRING, "plain"], os.environ)
    assert os.waitpid(child, 0)[1] == 0


@case(child="leaves")
def child_that_leaves():
    assert subprocess.run([sys.executable, OFFSPRING, "leaves"]).returncode == 3


@case(child="raises")
def child_that_raises():
    assert subprocess.run([sys.executable, OFFSPRING, "raises"], stderr=subprocess.DEVNULL).returncode == 1


@case(child="terminated")
def child_that_is_terminated():
    with subprocess.Popen([sys.executable, OFFSPRING, "terminated"], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        child.terminate()
        assert child.wait(60) == -signal.SIGTERM


@case(child="threads in_thread")
def child_with_threads():
    subprocess.run([sys.executable, OFFSPRING, "threads"], check=True)


@case(child="forks in_fork")
def child_that_forks():
    subprocess.run([sys.executable, OFFSPRING, "forks"], check=True)


@case(child="grandchild plain")
def child_of_a_child():
    subprocess.run([sys.executable, OFFSPRING, "grandchild"], check=True)


@case(child="plain")
def child_that_nobody_waits_for():
    orphans.append(subprocess.Popen([sys.executable, OFFSPRING, "plain"]))


def strangers():
    """Ordinary traffic on the shared pools: no trace may have a line of it."""
    calls = [early_threads.submit(stranger), early_thread_pool.apply_async(stranger)]
    calls.append(use("threads", lambda: ThreadPoolExecutor(1)).submit(stranger))
    calls.append(early_processes.apply_async(stranger))
    calls.append(use("processes", lambda: FORK.Pool(1)).apply_async(stranger))
    calls.append(use("executor", lambda: ProcessPoolExecutor(1, mp_context=FORK)).submit(stranger))
    for call in calls:
        assert (call.get(60) if hasattr(call, "get") else call.result(60)) == 14


def stranger():
    return 14


early_processes = FORK.Pool(2)  # forked with all functions defined, still before tracing begins
