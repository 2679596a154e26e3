"""Fingerprints: equal values meet, different values never do, mutable values are refused."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.fingerprint import digest, encode, fingerprint


@dataclass(frozen=True, slots=True)
class One:
    a: object
    b: object = ()


@dataclass(frozen=True, slots=True)
class Two:
    a: object
    b: object = ()


@dataclass
class Mutable:
    a: int


DIFFERENT = [
    None, True, False, 0, 1, -1, 127, 128, 255, 256, -128, -129, 1 << 5000, -(1 << 5000), 0.0, -0.0, 1.0, math.inf,
    "", "1", "N", "ab", "\ud800", b"", b"1", b"ab", (), ((),), ((), ()), (1,), ("1",), ("ab", "c"), ("a", "bc"),
    ("abc",), (b"ab", "c"), ("s1:a",), ("s", "1:a"), One(1), Two(1), One(1, 2), One((1, 2)), One(One(1)), (One(1),),
]  # fmt: skip


def test_different_values_have_different_bytes() -> None:
    for first, second in itertools.combinations(DIFFERENT, 2):
        assert encode(first) != encode(second), (first, second)


def test_no_two_shapes_or_splits_meet() -> None:
    texts = ["".join(letters) for size in range(4) for letters in itertools.product("as", repeat=size)]
    datas = [text.replace("s", "b").encode() for text in texts]
    numbers = [int.from_bytes(data, "big") for size in range(4) for data in itertools.product(b"i\1", repeat=size)]
    pairs = [pair for kind in (texts, datas, sorted(set(numbers))) for pair in itertools.product(kind, repeat=2)]
    shapes: list[object] = [None]
    for _ in range(3):
        shapes = [None, *((a,) for a in shapes), *itertools.product(shapes[:40], repeat=2), ()]
    for found in (pairs, list(dict.fromkeys(shapes))):
        assert len({encode(value) for value in found}) == len(found) > 200


def same(first: object, second: object) -> bool:
    """Return whether two values are equal and of equal types, all the way down."""
    if type(first) is not type(second):
        return False
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float):
        return math.copysign(1, first) == math.copysign(1, second) and first == second
    if isinstance(first, One):
        return same(first.a, second.a) and same(first.b, second.b)
    return first == second


atoms = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 300), st.text("ab1:st", max_size=3), st.binary(max_size=2), st.just(1.0)
)
values = st.recursive(
    atoms, lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.builds(One, inner, inner)), max_leaves=6
)


@given(values, values)
def test_bytes_are_equal_exactly_if_the_values_are(first: object, second: object) -> None:
    assert (encode(first) == encode(second)) == same(first, second)


@pytest.mark.parametrize(
    "value", [[1], {1: 2}, {1}, frozenset({1}), Mutable(1), object(), bytearray(b"1"), (1, [2]), 1j, One([1]), int]
)
def test_a_mutable_or_unknown_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no fingerprint"):
        digest(value)


def stage(value: int) -> int:
    return value


def other(value: int) -> int:
    return value


def test_toolchain_stage_and_every_argument_count() -> None:
    keys = {
        fingerprint("t", stage, (1, 2)),
        fingerprint("u", stage, (1, 2)),
        fingerprint("t", other, (1, 2)),
        fingerprint("t", stage, (1,)),
        fingerprint("t", stage, (2, 1)),
        fingerprint("t", stage, ((1, 2),)),
    }
    assert len(keys) == 6
    assert fingerprint("t", stage, (1, 2)) in keys


def decorate(function: Callable[[int], int]) -> Callable[[int], int]:
    @functools.wraps(function)
    def wrapper(value: int) -> int:
        return function(value)

    return wrapper


@decorate
def decorated(value: int) -> int:
    return value


def test_what_carries_values_of_its_own_is_no_stage() -> None:
    def closure() -> int:
        return 1

    for bad in (closure, decorated, lambda: 1, functools.partial(stage, 1), "text".upper, Two):
        with pytest.raises(TypeError, match="cannot be a stage"):
            fingerprint("t", bad, ())
