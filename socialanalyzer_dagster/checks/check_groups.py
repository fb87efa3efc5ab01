"""All checks of one asset of a batch in one step: what a run costs in Dagster goes by its steps."""

import inspect
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from socialanalyzer_dagster.domain.error_texts import place_of, readable
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.resources.pipeline import DatabaseResource
from socialanalyzer_dagster.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckVerdict:
    """What a check says of a batch; `is_error` tells an error from a warning."""

    passed: bool
    is_error: bool = False
    sentence: str | None = None
    figures: Mapping[str, str | float | dg.MarkdownMetadataValue] = field(default_factory=dict)


CHECK_FAILED = "DagsterAssetCheckFailedError"
"""What Dagster raises at the end of a step whose blocking checks failed; not among its public names."""
Look = Callable[[Database, str], CheckVerdict]
"""Looks at the batch of a partition key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOf:
    """A statement about a batch, shown on an asset; a blocking one stops what comes after in the same run."""

    name: str
    asset: dg.AssetsDefinition
    look: Look
    about: str | None = None
    blocking: bool = True

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """How Dagster knows it."""
        return dg.AssetCheckSpec(
            self.name,
            asset=self.asset,
            description=inspect.cleandoc(self.about or ""),
            blocking=self.blocking,
            partitions_def=LEAD_BATCHES,
        )


def grouped(statements: Iterable[CheckOf]) -> list[dg.AssetChecksDefinition]:
    """The partitioned checks of each asset, one step an asset; any of them can be run alone."""
    by_asset: dict[dg.AssetKey, list[CheckOf]] = defaultdict(list)
    for statement in statements:
        by_asset[statement.asset.key].append(statement)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # partitioned checks are a preview; Dagster is pinned for it
        return [_group(asset.to_python_identifier(), group) for asset, group in by_asset.items()]


def _group(asset: str, group: Sequence[CheckOf]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=f"{asset}_checks", specs=[each.spec for each in group], can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> Iterator[dg.AssetCheckResult]:
        wanted = {key.name for key in context.selected_asset_check_keys}
        with database.opened() as opened:
            for each in group:
                if each.name in wanted:
                    yield _result(each, _looked(context, opened, each))

    return checks


def _looked(context: dg.AssetCheckExecutionContext, database: Database, statement: CheckOf) -> CheckVerdict:
    """What a check says; one that only warns must not keep a batch from going on when it breaks."""
    try:
        return statement.look(database, context.partition_key)
    except Exception as error:
        shown = readable(error)
        if statement.blocking:
            raise shown  # noqa: B904 - it carries its own causes
        context.log.exception(f"{statement.name} could not be looked at", exc_info=shown)
        return CheckVerdict(
            passed=False, sentence=f"Could not be looked at: {type(error).__name__} in {place_of(error)}."
        )


def _result(statement: CheckOf, found: CheckVerdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=statement.asset.key,
        check_name=statement.name,
        passed=found.passed,
        severity=dg.AssetCheckSeverity.ERROR if found.is_error else dg.AssetCheckSeverity.WARN,
        description=found.sentence,
        metadata=found.figures,
    )


def failed_steps(events: Iterable[dg.DagsterEvent]) -> tuple[str, ...]:
    """Steps of a run that failed; checks that did are named instead (`asset_check`), and a step that broke after."""
    failed: list[tuple[str, bool]] = []
    checks: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if event.step_key is None:
            continue
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failed.append((event.step_key, _is_by_checks(event)))
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            if found.blocking and not found.passed and found.severity is dg.AssetCheckSeverity.ERROR:
                checks[event.step_key].append(f"{found.asset_key.to_python_identifier()}_{found.check_name}")
    return tuple(name for step, is_by_checks in failed for name in (*checks[step], *(() if is_by_checks else (step,))))


def _is_by_checks(failure: dg.DagsterEvent) -> bool:
    """Whether a step failed because of what its checks found, and not because it broke."""
    error = failure.step_failure_data.error
    return error is not None and (error.cause or error).cls_name == CHECK_FAILED
