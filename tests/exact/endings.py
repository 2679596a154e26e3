"""Forked children of a request on the main thread, and every way they end."""

from __future__ import annotations

import os
import signal
import sys
import time


def leaves():
    child = os.fork()
    if child == 0:
        leaves_child()
    return os.waitpid(child, 0)[1]


def leaves_child():
    os._exit(3)


def exits():
    child = os.fork()
    if child == 0:
        exits_child()
    return os.waitpid(child, 0)[1]


def exits_child():
    sys.exit(4)


def falls_off():
    child = os.fork()
    if child == 0:
        return falls_off_child()
    return os.waitpid(child, 0)[1]


def falls_off_child():
    return "the child answers too, and goes back to the script"


def is_terminated():
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        is_terminated_child(write)
    os.read(read, 1)
    os.kill(child, signal.SIGTERM)
    assert os.waitpid(child, 0)[1] == signal.SIGTERM


def is_terminated_child(write):
    (os.write(write, b"!"), time.sleep(60))


def handles_term():
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        handles_term_child(write)
    os.read(read, 1)
    os.kill(child, signal.SIGTERM)
    assert os.waitpid(child, 0)[1] == 0


def handles_term_child(write):
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    (os.write(write, b"!"), *(time.sleep(0.01) for _ in range(6000)))


def fails():
    child = os.fork()
    if child == 0:
        fails_child()
    return os.waitpid(child, 0)[1]


def fails_child():
    raise SystemExit("a sentence")
