"""Every table, how a person is found in it, and what becomes of the row at erasure: the one list all walkers follow.

A table or column that is missing here fails a test (I-68). What runs at which moment is said by the walkers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Table

from socialanalyzer_dagster.storage import models_control as control
from socialanalyzer_dagster.storage import models_crm as crm
from socialanalyzer_dagster.storage import (
    models_decisions,
    models_health,
    models_leads,
    models_notifications,
    models_people,
    models_results,
)
from socialanalyzer_dagster.storage.columns import Base
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.scores import REDUCED


class By(StrEnum):
    """How the rows of one person are found."""

    LEAD = "lead"
    """By the column `lead_uid`."""
    CALL = "call"
    """By the leads of the provider attempt behind `attempt_key`, and by searching shared answers."""
    ADDRESS = "address"
    """By the keyed hash of an e-mail address."""
    TEXT = "text"
    """By searching the texts in `texts`."""
    NOBODY = "nobody"
    """No row is about a creator."""


class End(StrEnum):
    """What erasure does with a row."""

    DELETE = "delete"
    BLANK = "blank"
    TOMBSTONE = "tombstone"
    """The lead itself: a keyed identity hash stays."""
    STAYS = "stays"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRule:
    """One table. `blanks` are the values content columns get, `texts` are searched, `keeps` hold nothing personal.

    `holds_identity` = this row names the person: it goes last, so that an interrupted erasure can be repeated.
    """

    model: type[Base]
    by: By
    end: End
    blanks: Mapping[str, object] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    holds_identity: bool = False

    @property
    def table(self) -> Table:
        """The Core table."""
        return table_of(self.model)

    @property
    def unexplained(self) -> frozenset[str]:
        """Columns this rule says nothing about; a deleted row needs no columns."""
        if self.end is End.DELETE:
            return frozenset()
        return frozenset(self.table.columns.keys()) - {*self.blanks, *self.texts, *self.keeps}


def _deleted(model: type[Base], by: By = By.LEAD, *, holds_identity: bool = False) -> TableRule:
    return TableRule(model=model, by=by, end=End.DELETE, holds_identity=holds_identity)


def _nobody(model: type[Base], keeps: str) -> TableRule:
    return TableRule(model=model, by=By.NOBODY, end=End.STAYS, keeps=tuple(keeps.split()))


def _uid_only(model: type[Base], keeps: str) -> TableRule:
    return TableRule(model=model, by=By.LEAD, end=End.STAYS, keeps=tuple(keeps.split()))


def _searched(model: type[Base], texts: str, keeps: str) -> TableRule:
    return TableRule(model=model, by=By.TEXT, end=End.BLANK, texts=tuple(texts.split()), keeps=tuple(keeps.split()))


def _blanked(model: type[Base], blanks: Mapping[str, object], keeps: str) -> TableRule:
    return TableRule(model=model, by=By.LEAD, end=End.BLANK, blanks=blanks, keeps=tuple(keeps.split()))


RULES: tuple[TableRule, ...] = (
    TableRule(
        model=models_leads.LeadRow,
        by=By.LEAD,
        end=End.TOMBSTONE,
        blanks={"email_status": None, "lawful_basis": None, "subscriber_kind": "unknown", "notice_due_at": None},
        texts=("platform_id", "handle", "record"),
        keeps=("lead_uid", "platform", "email_hash", "collected_at", "updated_at", "reduced_at", "erased_at",
               "suppressed_at"),
        holds_identity=True,
    ),
    _deleted(models_leads.LeadAliasRow, holds_identity=True),
    _deleted(models_leads.LeadClaimRow),
    _searched(models_leads.SearchRow, "filters", "fingerprint platform kind created_at"),
    _searched(models_leads.ListRowRow, "row", "fingerprint line"),
    _searched(models_leads.PresetRow, "filters note", "preset_id platform name lower_name slug created_by version "
                                                      "updated_at"),
    _nobody(models_leads.PresetScheduleRow, "preset_id cron set_by set_at seen_until"),
    _nobody(models_leads.FilterHistoryRow, "id fingerprint batch_id total_found new_found novelty_rate partial ran_at"),
    _searched(
        models_leads.LeadBatchRow,
        "note filters cause force_reason summary polished_summary",
        "batch_id partition_key idempotency_key idempotency_hash platform day search_fingerprint preset_id "
        "parent_batch_id bdr_names max_leads canary tier_floor plan_only cap_micros stop_at_cap estimate "
        "estimate_micros worst_case_micros policy_hash policy_version mode status version attempt interruptions "
        "stop_requested capped reused_micros run_id halted_run_id holder created_at started_at finished_at "
        "heartbeat_at waits_for waits_until",
    ),
    _nobody(models_leads.BatchStageRow, "batch_id stage total done started_at finished_at busy_milliseconds"),
    _blanked(
        models_leads.FoundItemRow,
        {"raw": None, "problem": None},
        "batch_id item_no result lead_uid identity_hash",
    ),
    _uid_only(models_leads.BatchLeadRow, "batch_id lead_uid position"),
    _blanked(
        models_results.StageOutcomeRow,
        {"detail": {}, "evidence_ids": [], "retryable": False},
        "id batch_id lead_uid stage attempt is_current result code cost_micros started_at finished_at policy_version "
        "code_version",
    ),
    _blanked(
        models_results.StepResultRow,
        {"detail": {}, "candidates": [], "evidence_ids": []},
        "batch_id lead_uid step attempt stage state finished_at",
    ),
    _deleted(models_results.EvidenceRow),
    _blanked(
        models_results.ScoreRow,
        {"kind": REDUCED, "lead_score": "", "base": "", "record": {}},
        "lead_uid batch_id policy_hash tier scored_at",
    ),
    _deleted(models_results.ContactCandidateRow, holds_identity=True),
    _deleted(models_results.ContactValueRow, holds_identity=True),
    _deleted(models_results.EmailVerificationRow, By.ADDRESS, holds_identity=True),
    _uid_only(
        control.ProviderAttemptRow,
        "attempt_key call_key fingerprint provider operation batch_id platform policy_version stage step leads scopes "
        "state issue reserved_micros settled_micros error_code owner reserved_at finished_at latency_milliseconds",
    ),
    _deleted(control.ProviderAnswerRow, By.CALL),
    TableRule(
        model=control.VendorJobRow,
        by=By.CALL,
        end=End.BLANK,
        blanks={"request": {}},
        keeps=("attempt_key", "provider", "operation", "job_id", "dataset_id", "batch_id", "stage", "step", "leads",
               "state", "next_offset", "created_at", "polled_at"),
    ),
    _deleted(control.VendorJobPageRow, By.CALL),
    _uid_only(
        control.LedgerEntryRow,
        "id at lead_uid batch_id platform stage step provider operation attempt_key kind amount_micros saved_micros "
        "policy_version",
    ),
    _nobody(control.BudgetScopeRow, "scope cap_micros settled_micros held_micros unknown_micros warned_at"),
    _nobody(control.PolicyRow, "policy_hash number policy_version document author note diff created_at is_active"),
    _searched(
        control.GateRow,
        "comment subject",
        "gate_id batch_id stage subject_hash state requested_at decided_by decided_at",
    ),
    _nobody(crm.SyncPlanRow, "plan_id batch_id number plan_hash rules_hash state created_at expires_at resume_at"),
    _blanked(
        crm.SyncPlanLeadRow,
        {"changes": {}, "error": None, "crm_object_id": None, "undone": None},
        "row_id plan_id lead_uid action reason tier bdr notes state tries next_try_at webhook",
    ),
    _deleted(crm.CrmLinkRow, holds_identity=True),
    _deleted(crm.CrmStandingRow),
    _deleted(crm.TierOverrideRow),
    _nobody(models_health.LimiterRow, "name state"),
    _nobody(models_health.BreakerStateRow, "service version state document changed_at"),
    _nobody(models_health.ServiceHealthRow, "service minute figures"),
    _searched(
        models_health.LogEntryRow,
        "message",
        "id batch_id at level logger exception run_id attempt stage platform step provider lead_uid attempt_key",
    ),
    _searched(
        models_decisions.DecisionRow,
        "condition alternatives parameters reason result_detail",
        "id dedup_key at kind actor platform day lineage batch_id stage subject action expected_micros actual_micros "
        "result result_at",
    ),
    _nobody(models_decisions.MetricSnapshotRow, "day platform figures at"),
    _searched(
        models_notifications.OutboxRow,
        "facts",
        "id dedup_key kind channel batch_id created_at due_at state tries error_code sent_at",
    ),
    _nobody(control.BdrRow, "name owner_id is_active position"),
    _nobody(control.BdrEpochRow, "epoch active_names started_at"),
    _nobody(control.BdrCounterRow, "epoch tier bdr dealt"),
    _uid_only(control.AssignmentRow, "lead_uid bdr tier epoch plan_id assigned_at"),
    _searched(control.SuppressionRow, "reason", "kind keyed_hash source added_at"),
    _searched(control.AuditEntryRow, "detail", "id at actor action subject"),
    _nobody(control.InstallSettingRow, "name value"),
    _uid_only(
        models_people.PrivacyRequestRow,
        "request_id kind state identifier_kind keyed_hash leads requested_by requested_at finished_at receipt",
    ),
    _uid_only(models_people.NoticeRow, "lead_uid contacted_at sent_at recorded_by recorded_at"),
)  # fmt: skip


def rules_of(by: By) -> tuple[TableRule, ...]:
    """The tables in which a person is found in one way."""
    return tuple(rule for rule in RULES if rule.by is by)
