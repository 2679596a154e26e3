"""A job of the durability proofs: its lines depend on its argument, and it can be caught in the middle."""

from __future__ import annotations

import time


def work(number: int, pause: float = 0.0) -> str:
    words = []
    while number > 1:
        if number % 2:
            words.append(odd(number))
            number = 3 * number + 1
        else:
            number //= 2
        if number % 5 == 0:
            words.append("five")
    if pause:
        time.sleep(pause)
    return " ".join(words)


def odd(number: int) -> str:
    if number % 3:
        return "odd"
    return "three"
