"""What an actor charged for, read from the rows of its dataset (contracts 4.3)."""

from collections.abc import Sequence

from socialanalyzer_dagster.domain.calls import Units
from socialanalyzer_dagster.domain.types import JsonObject
from socialanalyzer_dagster.vendors.apify_actors import START_FEES


def billed_units(operation: str, rows: Sequence[JsonObject]) -> Units:
    """Price key -> units of a run that succeeded; rows that say that there is nothing are free.

    A run without results tells nothing: its start fee alone would make the price of results look as it was.
    """
    results = sum("error" not in row and row.get("noResults") is not True for row in rows)
    if not results:
        return {}
    fee = START_FEES.get(operation)
    return {operation: results} if fee is None else {operation: results, fee: 1}
