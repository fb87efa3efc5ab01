"""What the Dagster UI shows while a batch waits for a person: the question, its figures, how to answer, until when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from socialanalyzer_dagster.assets.report_metadata import Metadata

_MICROS = 1_000_000


def question_metadata(question: Mapping[str, Any] | None) -> Metadata:
    """What `question_view` tells, as metadata; nothing when nobody is asked."""
    if question is None:
        return {}
    answers = "\n".join(f"- `{answer}`" for answer in question["answers"])
    told = (
        f"This batch {question['sentence']}.\n\nIt is answered by one of\n\n{answers}\n\n{question['without_answer']}."
    )
    return {
        "waits_for_a_person": dg.MetadataValue.md(told),
        "asked_about": dg.MetadataValue.int(question["leads"]),
        "spent_so_far_usd": dg.MetadataValue.float(question["spent_micros"] / _MICROS),
        "expected_usd": dg.MetadataValue.float(question["expected_micros"] / _MICROS),
        "worst_case_usd": dg.MetadataValue.float(question["worst_case_micros"] / _MICROS),
        "answer_until": dg.MetadataValue.timestamp(datetime.fromisoformat(question["expires_at"])),
    }


def waiting_stage(key: str, question: Mapping[str, Any]) -> dg.AssetObservation:
    """The same on the asset that may not begin yet, which no run materializes."""
    asset = dg.AssetKey(f"{question['stage']}_leads")
    return dg.AssetObservation(asset_key=asset, partition=key, metadata=question_metadata(question))
