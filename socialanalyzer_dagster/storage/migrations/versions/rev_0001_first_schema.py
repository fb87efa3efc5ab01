"""The first schema: every table of leads, batches, money, approvals, CRM and people's data."""

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import JsonColumn, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("detail", JsonColumn, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_table(
        "bdr_counters",
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=False),
        sa.Column("bdr", sa.String(length=255), nullable=False),
        sa.Column("dealt", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "tier", "bdr", name=op.f("pk_bdr_counters")),
    )
    op.create_table(
        "bdr_epochs",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("active_names", JsonColumn, nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_bdr_epochs")),
    )
    op.create_table(
        "bdrs",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_bdrs")),
    )
    op.create_table(
        "budget_scopes",
        sa.Column("scope", sa.String(length=255), nullable=False),
        sa.Column("cap_micros", sa.BigInteger(), nullable=False),
        sa.Column("settled_micros", sa.BigInteger(), nullable=False),
        sa.Column("held_micros", sa.BigInteger(), nullable=False),
        sa.Column("unknown_micros", sa.BigInteger(), nullable=False),
        sa.Column("warned_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_budget_scopes")),
    )
    op.create_table(
        "email_verifications",
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("verified_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.String(length=80), nullable=False),
        sa.Column("quality", sa.String(length=80), nullable=True),
        sa.Column("is_free", sa.Boolean(), nullable=True),
        sa.Column("is_role", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("email_hash", "verified_at", name=op.f("pk_email_verifications")),
    )
    op.create_table(
        "install_settings",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_install_settings")),
    )
    op.create_table(
        "leads",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=80), nullable=False),
        sa.Column("platform_id", sa.String(length=255), nullable=False),
        sa.Column("handle", sa.String(length=255), nullable=False),
        sa.Column("record", JsonColumn, nullable=False),
        sa.Column("email_hash", sa.String(length=64), nullable=True),
        sa.Column("email_status", sa.String(length=80), nullable=True),
        sa.Column("collected_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("lawful_basis", sa.String(length=255), nullable=True),
        sa.Column("subscriber_kind", sa.String(length=80), server_default="unknown", nullable=False),
        sa.Column("notice_due_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("lead_uid", name=op.f("pk_leads")),
        sa.UniqueConstraint("platform", "platform_id", name=op.f("uq_leads_platform_platform_id")),
    )
    op.create_index(op.f("ix_leads_email_hash"), "leads", ["email_hash"], unique=False)
    op.create_index("ix_leads_platform_handle", "leads", ["platform", "handle"], unique=False)
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=True),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=80), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("step", sa.String(length=80), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("operation", sa.String(length=80), nullable=False),
        sa.Column("attempt_key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("saved_micros", sa.BigInteger(), nullable=False),
        sa.Column("policy_version", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
    )
    op.create_index("ix_ledger_entries_attempt_key", "ledger_entries", ["attempt_key"], unique=False)
    op.create_index("ix_ledger_entries_batch_id_stage", "ledger_entries", ["batch_id", "stage"], unique=False)
    op.create_index("ix_ledger_entries_lead_uid", "ledger_entries", ["lead_uid"], unique=False)
    op.create_table(
        "policies",
        sa.Column("policy_hash", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.String(length=80), nullable=False),
        sa.Column("document", JsonColumn, nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("diff", JsonColumn, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("policy_hash", name=op.f("pk_policies")),
        sa.UniqueConstraint("number", name=op.f("uq_policies_number")),
    )
    op.create_index(
        "uq_policies_active",
        "policies",
        ["is_active"],
        unique=True,
        sqlite_where=sa.text("is_active"),
        postgresql_where=sa.text("is_active"),
    )
    op.create_table(
        "presets",
        sa.Column("preset_id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("lower_name", sa.String(length=255), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("filters", JsonColumn, nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("preset_id", name=op.f("pk_presets")),
        sa.UniqueConstraint("platform", "lower_name", name=op.f("uq_presets_platform_lower_name")),
    )
    op.create_table(
        "provider_attempts",
        sa.Column("attempt_key", sa.String(length=64), nullable=False),
        sa.Column("call_key", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("operation", sa.String(length=80), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("step", sa.String(length=80), nullable=False),
        sa.Column("leads", JsonColumn, nullable=False),
        sa.Column("scopes", JsonColumn, nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("issue", sa.Integer(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("settled_micros", sa.BigInteger(), nullable=False),
        sa.Column("error_code", sa.String(length=255), nullable=True),
        sa.Column("owner", sa.String(length=36), nullable=False),
        sa.Column("reserved_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("latency_milliseconds", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("attempt_key", name=op.f("pk_provider_attempts")),
    )
    op.create_index(
        "ix_provider_attempts_batch_id_stage_state", "provider_attempts", ["batch_id", "stage", "state"], unique=False
    )
    op.create_index(
        "ix_provider_attempts_fingerprint_state", "provider_attempts", ["fingerprint", "state"], unique=False
    )
    op.create_table(
        "searches",
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("platform", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("filters", JsonColumn, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_searches")),
    )
    op.create_table(
        "suppressions",
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("keyed_hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "keyed_hash", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "assignments",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("bdr", sa.String(length=255), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("assigned_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_assignments_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lead_uid", name=op.f("pk_assignments")),
    )
    op.create_index(op.f("ix_assignments_plan_id"), "assignments", ["plan_id"], unique=False)
    op.create_table(
        "contact_candidates",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("canonical", sa.Text(), nullable=False),
        sa.Column("source_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("step", sa.String(length=80), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("evidence_id", sa.String(length=36), nullable=True),
        sa.Column("fetched_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_contact_candidates_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_candidates")),
        sa.UniqueConstraint(
            "lead_uid",
            "field",
            "canonical",
            "source_hash",
            name=op.f("uq_contact_candidates_lead_uid_field_canonical_source_hash"),
        ),
    )
    op.create_table(
        "contact_values",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("step", sa.String(length=80), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("evidence_id", sa.String(length=36), nullable=True),
        sa.Column("fetched_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_contact_values_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lead_uid", "field", name=op.f("pk_contact_values")),
    )
    op.create_table(
        "crm_links",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("crm_object_id", sa.String(length=255), nullable=False),
        sa.Column("written", JsonColumn, nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_crm_links_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lead_uid", name=op.f("pk_crm_links")),
        sa.UniqueConstraint("crm_object_id", name=op.f("uq_crm_links_crm_object_id")),
    )
    op.create_table(
        "evidence",
        sa.Column("evidence_id", sa.String(length=36), nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("body", JsonColumn, nullable=False),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("provider", sa.String(length=80), nullable=True),
        sa.Column("model", sa.String(length=80), nullable=True),
        sa.Column("prompt_version", sa.String(length=80), nullable=True),
        sa.Column("fetched_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_evidence_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("evidence_id", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_lead_uid"), "evidence", ["lead_uid"], unique=False)
    op.create_table(
        "lead_aliases",
        sa.Column("platform", sa.String(length=80), nullable=False),
        sa.Column("alias", sa.String(length=255), nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_lead_aliases_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("platform", "alias", name=op.f("pk_lead_aliases")),
    )
    op.create_index(op.f("ix_lead_aliases_lead_uid"), "lead_aliases", ["lead_uid"], unique=False)
    op.create_table(
        "lead_batches",
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("partition_key", sa.String(length=255), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("idempotency_hash", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=80), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("search_fingerprint", sa.String(length=80), nullable=False),
        sa.Column("preset_id", sa.String(length=36), nullable=True),
        sa.Column("parent_batch_id", sa.String(length=36), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("filters", JsonColumn, nullable=False),
        sa.Column("bdr_names", JsonColumn, nullable=False),
        sa.Column("max_leads", sa.Integer(), nullable=False),
        sa.Column("canary", sa.Integer(), nullable=True),
        sa.Column("cap_micros", sa.BigInteger(), nullable=False),
        sa.Column("stop_at_cap", sa.Boolean(), nullable=False),
        sa.Column("estimate", JsonColumn, nullable=False),
        sa.Column("estimate_micros", sa.BigInteger(), nullable=False),
        sa.Column("worst_case_micros", sa.BigInteger(), nullable=False),
        sa.Column("force_reason", sa.Text(), nullable=True),
        sa.Column("policy_hash", sa.String(length=64), nullable=False),
        sa.Column("policy_version", sa.String(length=80), nullable=False),
        sa.Column("mode", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("capped", sa.Boolean(), nullable=False),
        sa.Column("reused_micros", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(length=255), nullable=True),
        sa.Column("halted_run_id", sa.String(length=255), nullable=True),
        sa.Column("holder", JsonColumn, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["policy_hash"], ["policies.policy_hash"], name=op.f("fk_lead_batches_policy_hash_policies")
        ),
        sa.ForeignKeyConstraint(
            ["search_fingerprint"], ["searches.fingerprint"], name=op.f("fk_lead_batches_search_fingerprint_searches")
        ),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_lead_batches")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_lead_batches_idempotency_key")),
        sa.UniqueConstraint("partition_key", name=op.f("uq_lead_batches_partition_key")),
    )
    op.create_index(op.f("ix_lead_batches_parent_batch_id"), "lead_batches", ["parent_batch_id"], unique=False)
    op.create_index(op.f("ix_lead_batches_policy_hash"), "lead_batches", ["policy_hash"], unique=False)
    op.create_index("ix_lead_batches_platform_status", "lead_batches", ["platform", "status"], unique=False)
    op.create_index("ix_lead_batches_search_fingerprint", "lead_batches", ["search_fingerprint"], unique=False)
    op.create_table(
        "list_rows",
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("row", JsonColumn, nullable=False),
        sa.ForeignKeyConstraint(
            ["fingerprint"],
            ["searches.fingerprint"],
            name=op.f("fk_list_rows_fingerprint_searches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("fingerprint", "line", name=op.f("pk_list_rows")),
    )
    op.create_table(
        "provider_answers",
        sa.Column("attempt_key", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_key"],
            ["provider_attempts.attempt_key"],
            name=op.f("fk_provider_answers_attempt_key_provider_attempts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_key", name=op.f("pk_provider_answers")),
    )
    op.create_table(
        "batch_leads",
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_batch_leads_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_batch_leads_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "lead_uid", name=op.f("pk_batch_leads")),
    )
    op.create_index("ix_batch_leads_batch_id_position", "batch_leads", ["batch_id", "position"], unique=True)
    op.create_index(op.f("ix_batch_leads_lead_uid"), "batch_leads", ["lead_uid"], unique=False)
    op.create_table(
        "batch_stages",
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("busy_milliseconds", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_batch_stages_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("batch_id", "stage", name=op.f("pk_batch_stages")),
    )
    op.create_table(
        "filter_history",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("total_found", sa.Integer(), nullable=False),
        sa.Column("new_found", sa.Integer(), nullable=False),
        sa.Column("novelty_rate", sa.String(length=80), nullable=True),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("ran_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_filter_history_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_history")),
        sa.UniqueConstraint("batch_id", name=op.f("uq_filter_history_batch_id")),
    )
    op.create_index("ix_filter_history_fingerprint_ran_at", "filter_history", ["fingerprint", "ran_at"], unique=False)
    op.create_table(
        "found_items",
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("item_no", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(length=80), nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=True),
        sa.Column("identity_hash", sa.String(length=64), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("raw", JsonColumn, nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_found_items_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("batch_id", "item_no", name=op.f("pk_found_items")),
    )
    op.create_index(op.f("ix_found_items_lead_uid"), "found_items", ["lead_uid"], unique=False)
    op.create_table(
        "gates",
        sa.Column("gate_id", sa.String(length=36), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("subject_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["lead_batches.batch_id"], name=op.f("fk_gates_batch_id_lead_batches"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("gate_id", name=op.f("pk_gates")),
        sa.UniqueConstraint("batch_id", "stage", "subject_hash", name=op.f("uq_gates_batch_id_stage_subject_hash")),
    )
    op.create_table(
        "lead_claims",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_lead_claims_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("lead_uid", name=op.f("pk_lead_claims")),
    )
    op.create_index(op.f("ix_lead_claims_batch_id"), "lead_claims", ["batch_id"], unique=False)
    op.create_table(
        "scores",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("policy_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("lead_score", sa.String(length=80), nullable=False),
        sa.Column("base", sa.String(length=80), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=True),
        sa.Column("record", JsonColumn, nullable=False),
        sa.Column("scored_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["lead_batches.batch_id"], name=op.f("fk_scores_batch_id_lead_batches"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_scores_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lead_uid", "batch_id", "policy_hash", name=op.f("pk_scores")),
    )
    op.create_index("ix_scores_batch_id_kind", "scores", ["batch_id", "kind"], unique=False)
    op.create_table(
        "stage_outcomes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("result", sa.String(length=80), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("retryable", sa.Boolean(), nullable=False),
        sa.Column("detail", JsonColumn, nullable=False),
        sa.Column("evidence_ids", JsonColumn, nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=False),
        sa.Column("policy_version", sa.String(length=80), nullable=False),
        sa.Column("code_version", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_stage_outcomes_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_stage_outcomes_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_outcomes")),
        sa.UniqueConstraint(
            "batch_id", "lead_uid", "stage", "attempt", name=op.f("uq_stage_outcomes_batch_id_lead_uid_stage_attempt")
        ),
    )
    op.create_index(
        "ix_stage_outcomes_batch_id_stage_result", "stage_outcomes", ["batch_id", "stage", "result"], unique=False
    )
    op.create_index(op.f("ix_stage_outcomes_lead_uid"), "stage_outcomes", ["lead_uid"], unique=False)
    op.create_index(
        "uq_stage_outcomes_current",
        "stage_outcomes",
        ["batch_id", "lead_uid", "stage"],
        unique=True,
        sqlite_where=sa.text("is_current"),
        postgresql_where=sa.text("is_current"),
    )
    op.create_table(
        "step_results",
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("step", sa.String(length=80), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("detail", JsonColumn, nullable=False),
        sa.Column("candidates", JsonColumn, nullable=False),
        sa.Column("evidence_ids", JsonColumn, nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_step_results_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_step_results_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "lead_uid", "step", "attempt", name=op.f("pk_step_results")),
    )
    op.create_index(op.f("ix_step_results_lead_uid"), "step_results", ["lead_uid"], unique=False)
    op.create_table(
        "sync_plans",
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_sync_plans_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_sync_plans")),
        sa.UniqueConstraint("batch_id", "number", name=op.f("uq_sync_plans_batch_id_number")),
        sa.UniqueConstraint("batch_id", "plan_hash", name=op.f("uq_sync_plans_batch_id_plan_hash")),
    )
    op.create_table(
        "vendor_jobs",
        sa.Column("attempt_key", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("operation", sa.String(length=80), nullable=False),
        sa.Column("job_id", sa.String(length=255), nullable=True),
        sa.Column("dataset_id", sa.String(length=255), nullable=True),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("step", sa.String(length=80), nullable=False),
        sa.Column("leads", JsonColumn, nullable=False),
        sa.Column("request", JsonColumn, nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("next_offset", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("polled_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_key"],
            ["provider_attempts.attempt_key"],
            name=op.f("fk_vendor_jobs_attempt_key_provider_attempts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_vendor_jobs_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_key", name=op.f("pk_vendor_jobs")),
        sa.UniqueConstraint("provider", "job_id", name=op.f("uq_vendor_jobs_provider_job_id")),
    )
    op.create_index("ix_vendor_jobs_batch_id_state", "vendor_jobs", ["batch_id", "state"], unique=False)
    op.create_table(
        "sync_plan_rows",
        sa.Column("row_id", sa.String(length=36), nullable=False),
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=True),
        sa.Column("changes", JsonColumn, nullable=False),
        sa.Column("crm_object_id", sa.String(length=255), nullable=True),
        sa.Column("tier", sa.String(length=80), nullable=True),
        sa.Column("bdr", sa.String(length=255), nullable=True),
        sa.Column("notes", JsonColumn, nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_sync_plan_rows_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["sync_plans.plan_id"], name=op.f("fk_sync_plan_rows_plan_id_sync_plans"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_sync_plan_rows")),
        sa.UniqueConstraint("plan_id", "lead_uid", name=op.f("uq_sync_plan_rows_plan_id_lead_uid")),
    )
    op.create_index(op.f("ix_sync_plan_rows_lead_uid"), "sync_plan_rows", ["lead_uid"], unique=False)
    op.create_table(
        "vendor_job_pages",
        sa.Column("attempt_key", sa.String(length=64), nullable=False),
        sa.Column("offset", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_key"],
            ["vendor_jobs.attempt_key"],
            name=op.f("fk_vendor_job_pages_attempt_key_vendor_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_key", "offset", name=op.f("pk_vendor_job_pages")),
    )
