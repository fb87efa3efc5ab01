"""Deterministic chance: a small generator seeded by hashing a seed and any parts, equal on every machine."""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1


def hash64(*parts: object) -> int:
    """A 64-bit number for any parts; the same parts always give the same number."""
    return int.from_bytes(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def token(length: int, *parts: object) -> str:
    """Lower-case hex text of a given length for any parts."""
    text = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=64).hexdigest()
    return text[:length]


def base62(length: int, *parts: object) -> str:
    """Letters and digits of a given length for any parts, as many vendors' ids look."""
    number = int(token(128, *parts), 16)
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    found = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        found.append(letters[rest])
    return "".join(found)


def uuid_text(*parts: object) -> str:
    """A version-4-shaped UUID for any parts."""
    text = token(32, *parts)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"


class Dice:
    """A stream of draws (splitmix64) that depends only on the parts it was made from."""

    __slots__ = ("_state",)

    def __init__(self, *parts: object) -> None:
        self._state = hash64(*parts)

    def bits(self) -> int:
        """The next 64 random bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def unit(self) -> float:
        """A number in [0, 1)."""
        return (self.bits() >> 11) / (1 << 53)

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return self.unit() < probability

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        return self.bits() % limit

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return low + self.bits() % (high - low + 1)

    def spread(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.unit()

    def pick(self, items: Sequence[T]) -> T:
        """One item."""
        return items[self.bits() % len(items)]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Up to ``count`` distinct positions' items, in drawn order."""
        rest = list(items)
        return [rest.pop(self.bits() % len(rest)) for _ in range(min(count, len(rest)))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in drawn order."""
        return self.some(items, len(items))

    def normal(self, mean: float, deviation: float) -> float:
        """A normally distributed number."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.unit()))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self.unit())
