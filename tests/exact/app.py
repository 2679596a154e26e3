"""The app of the exactness proofs: every route runs other lines for other arguments."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from flask import Flask, Response, abort, jsonify, request

from instrument import ProfileCoverage


class Shape:
    def __init__(self, size: int) -> None:
        self.size = size

    def area(self) -> int:
        if self.size % 2:
            return self.size * self.size
        return self.halves()

    def halves(self) -> int:
        return sum(
            half
            for half in range(self.size)
            if half % 2
        )  # fmt: skip


class Wide(Shape):
    def area(self) -> int:
        wide = super().area()
        if self.size > 5:
            wide += 1
        return wide


def collatz(number: int) -> int:
    steps = 0
    while number > 1:
        if number % 2:
            number = 3 * number + 1
        else:
            number //= 2
        steps += 1
    return steps


def digits(number: int) -> list[str]:
    names = []
    for digit in str(number):
        if digit == "0":
            names.append("zero")
        elif digit == "1":
            names.append("one")
        elif digit == "2":
            names.append("two")
        elif digit == "3":
            names.append("three")
        elif digit == "4":
            names.append("four")
        else:
            names.append("many")
    return names


def chunks(number: int) -> Iterator[str]:
    try:
        yield "start\n"
        for step in range(number):
            if step % 3 == 2:
                yield f"third {collatz(step)}\n"
            else:
                yield f"{step}\n"
    finally:
        closed(number)


def slow(count: int) -> Iterator[str]:
    yield "first"
    for _ in range(count):
        go_on.wait(60) if count == 1 else time.sleep(0.002)
        yield "last" if count == 1 else "x" * 4096


def closed(number: int) -> str:
    if number % 2:
        return "odd"
    return "even"


def in_thread(number: int, found: list[int]) -> None:
    if number % 2:
        found.append(Shape(number).area())
    else:
        found.append(collatz(number))


class Counting(threading.Thread):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.answer: list[str] = []

    def run(self) -> None:
        self.answer = digits(self.number)


async def later(number: int) -> int:
    await asyncio.sleep(0)
    if number % 2:
        return await asyncio.to_thread(collatz, number + 1)
    return Wide(number).area()


shared_pool = ThreadPoolExecutor(4)
go_on = threading.Event()  # what a slow stream of one chunk waits for


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/plain/<int:number>")
    def plain(number: int) -> Response:
        shape = Wide(number) if number % 3 == 0 else Shape(number)
        return jsonify(area=shape.area(), steps=collatz(number + 1), names=digits(number))

    @app.get("/stream/<int:number>")
    def stream(number: int) -> Response:
        return Response(chunks(number), mimetype="text/plain")

    @app.get("/slow-stream")
    def slow_stream() -> Response:
        return Response(slow(int(request.args.get("chunks", 1))), mimetype="text/plain")

    @app.get("/go-on")
    def let_go_on() -> Response:
        go_on.set()
        return jsonify(gone=True)

    @app.get("/fail/<int:number>")
    def fail(number: int) -> Response:
        if number % 2:
            abort(404)
        raise RuntimeError(digits(number)[0])

    @app.get("/threads/<int:number>")
    def threads(number: int) -> Response:
        found: list[int] = []
        counting = Counting(number)
        workers = [threading.Thread(target=in_thread, args=(number + n, found)) for n in range(2)]
        for thread in [counting, *workers]:
            thread.start()
        for thread in [counting, *workers]:
            thread.join()
        return jsonify(found=sorted(found), names=counting.answer)

    @app.get("/pool/<int:number>")
    def pool(number: int) -> Response:
        with ThreadPoolExecutor(2) as mine:
            first = list(mine.map(collatz, range(number % 4)))
        second = shared_pool.submit(digits, number).result()
        return jsonify(first=first, second=second)

    @app.get("/async/<int:number>")
    async def asynchronous(number: int) -> Response:
        return jsonify(found=await later(number), both=await asyncio.gather(later(1), later(number + 1)))

    @app.errorhandler(RuntimeError)
    def broken(error: RuntimeError) -> tuple[Response, int]:
        return jsonify(error=str(error), path=request.path), 500

    ProfileCoverage(app)
    return app
