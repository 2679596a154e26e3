"""Ports of this machine: a socket to hand to a server, and a free port for programs that can take no socket."""

from __future__ import annotations

import random
import socket

from instrument.errors import CovatlasError

# Below those from which systems draw the ports of outgoing connections, so that none of them takes ours meanwhile.
_QUIET = range(20_000, 32_000)


def listening_socket(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1:`port` (0: any free port), for the server to inherit."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise CovatlasError(
            f"port {port} of 127.0.0.1 cannot be used ({error.strerror}); "
            "stop what listens there or choose another port"
        ) from None
    listener.listen(128)
    return listener


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses, for a program that opens it itself a moment later."""
    chance = random.SystemRandom()  # two of our processes with one seed would draw the same
    while True:
        port = chance.choice(_QUIET)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:  # somebody listens there
                continue
