"""What the planner of PostgreSQL knows about the tables a batch fills."""

from socialanalyzer_dagster.storage.database import Database, table_of
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow, ProviderAnswerRow, ProviderAttemptRow
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadClaimRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

_FILLED = ", ".join(
    table_of(model).name
    for model in (BatchLeadRow, LeadClaimRow, StageOutcomeRow, ProviderAttemptRow, ProviderAnswerRow, LedgerEntryRow)
)


def refresh_statistics(database: Database) -> None:
    """Let PostgreSQL look at these tables now; SQLite plans without.

    Its own daemon looks once a minute at the most, and until then each question about some leads of a new batch reads
    the whole batch: what a stage costs would grow with the square of its leads.
    """
    if not database.is_sqlite:
        with database.write() as connection:
            connection.exec_driver_sql(f"ANALYZE {_FILLED}")
