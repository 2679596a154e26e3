"""Sets of lines or of symbol indexes as Python integers: bit n stands for n; all in linear time."""

from __future__ import annotations

from collections.abc import Collection, Iterable

_BITS = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))


def mask_of(lines: Iterable[int]) -> int:
    """Return the bit mask of an iterable of numbers: `{1, 3}` is `0b1010`."""
    lines = lines if isinstance(lines, Collection) else list(lines)
    data = bytearray(max(lines, default=0) // 8 + 1)  # setting bits of an integer one by one copies it each time
    for line in lines:
        data[line >> 3] |= 1 << (line & 7)
    return int.from_bytes(data, "little")


def lines_of(mask: int) -> list[int]:
    """Return the sorted numbers of a bit mask: `0b1010` is `[1, 3]`."""
    if not mask:
        return []
    first = (mask & -mask).bit_length() - 1 & ~7  # a function's mask has nothing before it
    data = (mask >> first).to_bytes((mask.bit_length() - first + 7) // 8, "little")
    starts = range(first, first + 8 * len(data), 8)
    return [start + bit for start, byte in zip(starts, data, strict=True) if byte for bit in _BITS[byte]]
