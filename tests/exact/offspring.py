"""A child process of the propagation proofs: `offspring.py MODE`. Lines marked `# never` must not be recorded."""

import os
import subprocess
import sys
import threading
import time


def plain():
    work = 41
    return work + 1


def leaves():
    os._exit(3)
    print("not here")  # never


def raises():
    raise ValueError("as wanted")
    print("not here")  # never


def terminated():
    (print("ready", flush=True), time.sleep(60))
    print("not here")  # never


def threads():
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()


def in_thread():
    counted = 1
    return counted


def forks():
    if os.fork() == 0:
        in_fork()
    os.wait()


def in_fork():
    os._exit(0)


def grandchild():
    subprocess.run([sys.executable, __file__, "plain"], check=True)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
