"""Runs migrations on the connection that storage.schema opened, inside its transaction."""

from alembic import context

from socialanalyzer_dagster.storage import (  # noqa: F401  (registers the tables)
    models_control,
    models_crm,
    models_decisions,
    models_health,
    models_leads,
    models_notifications,
    models_people,
    models_results,
)
from socialanalyzer_dagster.storage.columns import VERSION_TABLE, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=False,
)
with context.begin_transaction():
    context.run_migrations()
