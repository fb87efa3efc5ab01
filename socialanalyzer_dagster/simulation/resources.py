"""The pipeline's resource over simulated time: what measures durations reads the simulated clock."""

import time
from dataclasses import replace

from socialanalyzer_dagster.pipeline.session import SessionParts
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.resources.pipeline import PipelineResource
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.vendors.bundle import Vendors


class SimulatedPipeline(PipelineResource):
    """As the pipeline, but for its steady clock: the process's real one stands outside of simulated time."""

    def parts(self, workplace: Workplace, vendors: Vendors, settings: Settings) -> SessionParts:
        """Rates, permits and waits are counted in simulated seconds."""
        parts = super().parts(workplace, vendors, settings)
        return replace(parts, gate=replace(parts.gate, monotonic=time.time))
