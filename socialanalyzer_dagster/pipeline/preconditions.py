"""What a stage needs is looked at before its first paid call: keys, prices and the media store (I-28)."""

from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.vendors.media_store import MediaStoreError

_CANNOT_DO_WITHOUT = frozenset({Stage.SCREENED, Stage.ANALYZED, Stage.SCORED})
"""Stages that need every vendor they declare; a search says so itself, and enrichment leaves steps out instead."""
_STORE = "media_store"


async def check_preconditions(batch: OpenBatch, stage: Stage) -> None:
    """Return when the stage can be paid for and done.

    Raises ProviderUnavailable for a vendor without key and for a media store that does not take objects, UnknownPrice
    for a price that is missing or, in live mode, not confirmed; nothing was spent on the stage in this run then.
    """
    adapter = batch.platform.adapters[stage]
    for vendor in adapter.providers:
        if batch.vendors.client_of(vendor) is not None:
            batch.gate.parts.prices.require(vendor)
        elif stage in _CANNOT_DO_WITHOUT:
            raise ProviderUnavailable(vendor, "not_configured")
    if adapter.keeps_media:
        try:
            await batch.vendors.media_store.probe()
        except MediaStoreError as error:
            raise ProviderUnavailable(_STORE, str(error)) from error
