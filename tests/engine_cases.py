"""Code of every shape that a tracer may trip over; each `case_*` takes no argument and can run again and again."""

# ruff: noqa: C400, C416, E731, SIM108, UP033 (shapes, not style)
from __future__ import annotations

import asyncio
import contextlib
import functools


def case_recursion() -> int:
    def count(number: int) -> int:
        if number == 0:
            return 0
        return 1 + count(number - 1)

    return count(30)


def case_exception_through_many_frames() -> str:
    def deeper(number: int) -> None:
        if number == 0:
            raise KeyError("bottom")
        try:
            deeper(number - 1)
        finally:
            number += 1

    try:
        deeper(20)
    except KeyError as error:
        return str(error)
    else:
        return "never"


def case_exec() -> int:
    scope: dict[str, int] = {}
    source = "a = 1\nb = a + 1\n"
    exec(source, scope)
    exec(compile("c = 3\n", __file__ + ".other", "exec"), scope)
    return scope["b"]


def case_lambdas_and_comprehensions() -> list[int]:
    double = lambda number: number * 2
    pairs = {
        number: double(number)
        for number in range(5)
        if number % 2
    }  # fmt: skip
    found = [
        item
        for item in sorted(
            pairs.values(),
            key=lambda value: -value,
        )
    ]
    return found + list(
        value
        for value in found
    )  # fmt: skip


def case_class_inside_a_function() -> int:
    class Base:
        size = 1

        def grow(self) -> int:
            return self.size + 1

    class Wide(Base):
        if Base.size:
            size = 2
        else:
            size = 3

        @property
        def area(self) -> int:
            return self.grow() * 2

    return Wide().area


def case_generators() -> list[int]:
    def source():
        try:
            yield 1
            yield 2
        except ValueError:
            yield 3
        finally:
            closed.append(4)

    def through():
        yield from source()
        return 5

    closed: list[int] = []
    first = source()
    next(first)
    closed.append(first.throw(ValueError))
    first.close()
    second = source()
    next(second)
    second.close()
    return [*closed, *through()]


def case_async() -> list[int]:
    async def numbers():
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    @contextlib.asynccontextmanager
    async def opened():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)

    async def main() -> list[int]:
        found = []
        async with opened() as extra:
            async for number in numbers():
                found.append(number + extra)
        return found + [number async for number in numbers() if number]

    return asyncio.run(main())


def case_with_blocks() -> list[str]:
    seen: list[str] = []

    @contextlib.contextmanager
    def noted(name: str):
        seen.append(f"+{name}")
        try:
            yield name
        finally:
            seen.append(f"-{name}")

    with (
        noted("a") as a,
        noted("b"),
    ):
        seen.append(a)
    with contextlib.suppress(RuntimeError), noted("c"):
        raise RuntimeError
    return seen


def case_branches() -> list[str]:
    names = []
    for shape in ({"kind": "point"}, [1, 2], "text", 3):
        match shape:
            case {"kind": kind}:
                names.append(kind)
            case [first, *_]:
                names.append(str(first))
            case str():
                names.append(shape)
            case _:
                names.append("other")
    number = 0
    while number < 3:
        number += 1
        if number == 2:
            continue
    else:
        names.append("end")
    for _ in range(2):
        try:
            if number:
                break
        finally:
            number -= 1
    return names


def case_decorated_and_cached() -> int:
    def twice(function):
        @functools.wraps(function)
        def call(*arguments):
            function(*arguments)
            return function(*arguments)

        return call

    @twice
    @functools.lru_cache(maxsize=None)
    def slow(
        number=1,
        other=2,
    ):
        return (
            number
            + other
        )  # fmt: skip

    return slow(3)


def case_plain_loops() -> float:
    total = 0.0
    for number in range(200):
        if number % 3:
            total += number
        else:
            total -= 1
    return total


def loop_over(numbers: list[int]) -> float:
    total = 0.0
    for number in numbers:
        if number % 3:
            total += number
        else:
            total -= 1
    return total


def inner() -> int:
    return 1


def two_traces(enter_first, leave_first, enter_second, leave_second) -> None:
    enter_first()
    inner()
    leave_first()
    enter_second()
    inner()
    leave_second()
