"""What the assets of a day on a platform share."""

from datetime import date

import dagster as dg

from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.partitions import DAY, PLATFORM
from socialanalyzer_dagster.storage.daily_figures import DayOf

GROUP = "days"


def day_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> DayOf:
    """The day and platform that the run's partition names."""
    key = context.partition_key
    if not isinstance(key, dg.MultiPartitionKey):
        raise TypeError("an asset of days is partitioned by day and platform")
    dimensions = key.keys_by_dimension
    return DayOf(day=date.fromisoformat(dimensions[DAY]), platform=PlatformKey(dimensions[PLATFORM]))


def partition_of(of: DayOf) -> dg.MultiPartitionKey:
    """The partition key of a day on a platform."""
    return dg.MultiPartitionKey({DAY: of.day.isoformat(), PLATFORM: of.platform})
