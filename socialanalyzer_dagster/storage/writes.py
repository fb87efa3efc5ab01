"""What a grouped commit is made of: typed writes that are applied together with all others of their kind."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from sqlalchemy import Connection

R = TypeVar("R")
Results: TypeAlias = Sequence[Any]
"""One result per write, in order; an exception in the list is raised to the one who asked for that write."""


class Write(ABC, Generic[R]):
    """One thing to store or look up; `R` is what its author gets back.

    `apply` handles many writes of one kind with set-based statements. When it raises, the transaction is rolled back
    and made again with the writes of that kind one by one, so that a bad row harms only itself (I-35): `apply` may run
    more than once and has no effect but on the database. Kinds of a transaction are applied in the order of `turn`, so
    that rows that everybody changes are locked in one order, the most wanted ones last.
    """

    most_per_transaction: ClassVar[int] = 500
    turn: ClassVar[int] = 0

    @classmethod
    @abstractmethod
    def apply(cls, connection: Connection, writes: Sequence[Self]) -> Results:
        """Store all of them; returns one result (or exception) per write."""
