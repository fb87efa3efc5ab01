"""The partitions of the pipeline: one lead batch is one dynamic partition."""

import dagster as dg

LEAD_BATCHES = dg.DynamicPartitionsDefinition(name="lead_batches")
"""Keys are `<YYYY-MM-DD>.<platform>.<search>[.<n>]`, e.g. `2026-11-20.instagram.travel-micro`."""
