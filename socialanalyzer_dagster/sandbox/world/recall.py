"""A bounded memory of made things, least recently used out first."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recall(Generic[T]):
    """Makes a thing for an index on first demand; ``made`` counts the makings."""

    def __init__(self, limit: int, make: Callable[[int], T]) -> None:
        self._limit = limit
        self._make = make
        self._kept: OrderedDict[int, T] = OrderedDict()
        self.made = 0

    def __call__(self, index: int) -> T:
        """The thing of an index; equal every time, whether remembered or made again."""
        kept = self._kept.get(index)
        if kept is not None:
            self._kept.move_to_end(index)
            return kept
        made = self._make(index)
        self.made += 1
        self._kept[index] = made
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return made
