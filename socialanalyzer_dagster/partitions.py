"""The partitions of the pipeline: a lead batch, and a day on a platform."""

import dagster as dg

from socialanalyzer_dagster.platforms.registry import PLATFORMS

LEAD_BATCHES = dg.DynamicPartitionsDefinition(name="lead_batches")
"""Keys are `<YYYY-MM-DD>.<platform>.<search>[.<n>]`, e.g. `2026-11-20.instagram.travel-micro`."""

DAY, PLATFORM = "day", "platform"
PLATFORM_DAYS = dg.MultiPartitionsDefinition(
    {
        DAY: dg.DailyPartitionsDefinition(start_date="2026-01-01", end_offset=1),
        PLATFORM: dg.StaticPartitionsDefinition(sorted(PLATFORMS)),
    }
)
"""UTC days, today among them, each once per platform: `2026-11-20|instagram`."""
