"""What cannot be followed: the request's own lines are exact, those marked `# lost` are not recorded anywhere."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import queue
import sys
import threading
from pathlib import Path

OFFSPRING = str(Path(__file__).resolve().with_name("offspring.py"))
waiting: queue.Queue = queue.Queue()


def serve() -> None:
    while True:
        waiting.get()()


threading.Thread(target=serve, daemon=True).start()
SPAWN = multiprocessing.get_context("spawn")


def spawned_process():
    process = SPAWN.Process(target=in_spawned)
    process.start()
    process.join()
    assert process.exitcode == 0


def in_spawned():
    return 1  # lost


def bare_thread():
    done = threading.Lock()
    done.acquire()
    _thread.start_new_thread(in_bare, (done,))
    assert done.acquire(timeout=60)


def in_bare(done):
    done.release()  # lost


def own_queue():
    done = threading.Event()
    waiting.put(lambda: in_queue(done))
    assert done.wait(60)


def in_queue(done):
    done.set()  # lost


class Pickled:
    def __reduce__(self):
        return int, ("7",)  # lost


def fed_queue():
    fed = multiprocessing.Queue()
    fed.put(Pickled())
    assert fed.get(timeout=60) == 7
    fed.close()
    fed.join_thread()


def system_child():
    assert os.system(f"{sys.executable} {OFFSPRING} plain") == 0
