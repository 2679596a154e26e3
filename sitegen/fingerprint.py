"""Canonical, injective bytes of frozen values; digests and fingerprints of them.

Two values have equal bytes only if they are equal and of equal types: every value carries its type's tag and its
length, so that ("ab", "c") and ("a", "bc"), 1 and True, or two dataclasses with equal fields never meet.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any, Generic, TypeVar

import orjson

T = TypeVar("T")


class Known(Generic[T]):
    """A value that stands for itself by its digest; the value is read or made only when asked for."""

    __slots__ = ("_digest", "_load", "_value")

    def __init__(self, value: T | None = None, digest: str = "", load: Callable[[], T] | None = None) -> None:
        self._value, self._digest, self._load = value, digest, load

    @property
    def digest(self) -> str:
        """Return the sha256 of the value's canonical bytes, in hex."""
        if not self._digest:
            self._digest = digest(self._value)
        return self._digest

    @property
    def value(self) -> T:
        """Return the value."""
        if self._load is not None:
            self._value, self._load = self._load(), None
        return self._value  # type: ignore[return-value]

    def peek(self) -> T:
        """Return the value without keeping it: for what is large in all and used once."""
        return self._value if self._load is None else self._load()  # type: ignore[return-value]

    @property
    def readable(self) -> bool:
        """Return whether the value can be had without running a stage; raises nothing."""
        try:
            self.value  # noqa: B018
        except NotImplementedError:
            return False
        return True


def plain(value: Any) -> Any:
    """Return a stage's argument with the values of all that is Known in it; tuples are searched."""
    if type(value) is Known:
        return value.value
    return tuple(map(plain, value)) if type(value) is tuple else value


def encode(value: object) -> bytes:
    """Return the canonical bytes of a frozen value.

    Takes dataclasses, tuples, str, bytes, int of any size, bool, None and float, nested at will, and Known values, of
    which only the digest is read; raises TypeError for anything else, mutable values above all.
    """
    out: list[bytes] = []
    _encode(value, out.append, {})
    return b"".join(out)


def digest(value: object) -> str:
    """Return the sha256 of a value's canonical bytes, in hex."""
    return hashlib.sha256(encode(value)).hexdigest()


def quick_digest(value: object) -> str:
    """Return a digest of a frozen value whose fields have one type each; quicker than `digest`, and not the same."""
    try:
        return hashlib.sha256(orjson.dumps(value)).hexdigest()
    except TypeError:  # a lone surrogate in a name or docstring, which JSON cannot hold
        return digest(value)


def fingerprint(toolchain: str, stage: Callable[..., object], args: tuple[object, ...]) -> str:
    """Return the digest of (toolchain, stage, arguments): the key of a stage's result.

    A stage is a plain function of a module: a closure or lambda would let values in that are no arguments.
    """
    return digest((toolchain, stage_name(stage), args))


def stage_name(stage: Callable[..., object]) -> str:
    """Return `module.function` of a stage; raise TypeError for anything that is no function of a module."""
    if not isinstance(stage, FunctionType) or stage.__closure__ or not stage.__qualname__.isidentifier():
        raise TypeError(f"{stage!r} is no plain function of a module and cannot be a stage")
    return f"{stage.__module__}.{stage.__qualname__}"


def _encode(value: object, put: Callable[[bytes], None], names: dict[type, tuple[bytes, tuple[str, ...]]]) -> None:
    kind = type(value)
    if value is None:
        put(b"N")
    elif kind is str:
        data = value.encode("utf-8", "surrogatepass")
        put(b"s%d:" % len(data))
        put(data)
    elif kind is tuple:
        put(b"t%d:" % len(value))
        for item in value:
            _encode(item, put, names)
    elif kind is bool:
        put(b"T" if value else b"F")
    elif kind is int:
        data = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
        put(b"i%d:" % len(data))
        put(data)
    elif kind is Known:
        put(b"K")
        put(bytes.fromhex(value.digest))
    elif kind is bytes:
        put(b"b%d:" % len(value))
        put(value)
    elif kind is float:
        put(b"f")
        put(struct.pack(">d", value))
    else:
        _encode_dataclass(value, kind, put, names)


def _encode_dataclass(
    value: Any, kind: type, put: Callable[[bytes], None], names: dict[type, tuple[bytes, tuple[str, ...]]]
) -> None:
    if kind not in names:
        if not is_dataclass(kind) or not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise TypeError(f"{kind.__module__}.{kind.__qualname__} is no frozen value and has no fingerprint")
        head = f"{kind.__module__}.{kind.__qualname__}".encode()
        own = tuple(field.name for field in fields(kind))
        names[kind] = b"d%d:%d:%s" % (len(head), len(own), head), own
    head, own = names[kind]
    put(head)
    for name in own:
        _encode(getattr(value, name), put, names)
