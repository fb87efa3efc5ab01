"""Found items sorted in provider order: leads, duplicates, suppressed people, and what is none (spec 2.3, 6.6)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.leads import Candidate, FoundItem, LeadRecord
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.types import LeadUid, lead_uid
from socialanalyzer_dagster.storage.found_items import StoredItem
from socialanalyzer_dagster.storage.leads import Account

_IDENTITY = frozenset({"platform", "platform_id", "handle", "profile_url", "audience_kind", "links", "raw_ref"})


@dataclass(slots=True)
class DraftedLead:
    """A lead of the batch with everything its items say; `record.platform_id` is the id as first seen anywhere."""

    uid: LeadUid
    position: int
    record: LeadRecord
    candidates: list[Candidate]
    aliases: set[str]


@dataclass(slots=True)
class Sorted:
    """Every item with its result, and the leads in provider order, the first of them after the place `before`.

    `again` are items that say more about leads of an earlier window. `withdrawn` are leads that an interrupted
    discovery stored, of people who are on the suppression list now: they keep their places, and nothing else.
    """

    before: int = 0
    items: list[StoredItem] = field(default_factory=list)
    leads: dict[LeadUid, DraftedLead] = field(default_factory=dict)
    again: dict[LeadUid, list[FoundItem]] = field(default_factory=dict)
    withdrawn: set[LeadUid] = field(default_factory=set)

    @property
    def places(self) -> int:
        """Places that these items take in the batch."""
        return len(self.leads) + len(self.withdrawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class SortingRules:
    """`accounts` are stored accounts by any id; `listed` gives the keyed hash under which a person is suppressed.

    `decided` are results an interrupted discovery stored: they stand, so that a resume gives the same positions. A lead
    among them whose person was listed since, or whose item was emptied by an erasure, is withdrawn.
    `before` leads were found in earlier windows of a list, `earlier` are those of them that could be meant again.
    """

    accounts: Mapping[str, Account]
    listed: Callable[[FoundItem], str | None]
    max_leads: int | None
    decided: Mapping[int, tuple[ItemResult, LeadUid | None]]
    raw_ref: Callable[[int], str]
    before: int = 0
    earlier: frozenset[LeadUid] = frozenset()

    def is_gone(self, item: FoundItem) -> bool:
        """True when the item's person is on the list, or nothing of them is left."""
        return item.record is None or self.listed(item) is not None


def names_of(item: FoundItem) -> tuple[str, ...]:
    """Every id an item's account is known by."""
    return (item.record.platform_id, *item.aliases) if item.record is not None else ()


def sort_items(found: Sequence[FoundItem], rules: SortingRules) -> Sorted:
    """Exactly one result per item."""
    sorted_items = Sorted(before=rules.before)
    by_name: dict[str, LeadUid] = {}
    for item in found:
        stored = _result(item, sorted_items, by_name, rules)
        sorted_items.items.append(stored)
        if stored.lead is not None:
            by_name.update(dict.fromkeys(names_of(item), stored.lead))
    return sorted_items


def _result(item: FoundItem, so_far: Sorted, by_name: Mapping[str, LeadUid], rules: SortingRules) -> StoredItem:
    decided, was_lead = rules.decided.get(item.item_no, (None, None))
    if decided is ItemResult.LEAD and was_lead is not None and rules.is_gone(item):
        so_far.withdrawn.add(was_lead)
        return StoredItem(item_no=item.item_no, result=decided, lead=was_lead)
    if item.record is None:
        result = ItemResult(item.problem or ItemResult.MALFORMED_ITEM)
        return StoredItem(item_no=item.item_no, result=result, problem=item.problem_text, raw=item.raw)
    known = next((by_name[name] for name in names_of(item) if name in by_name), None)
    uid, record = _identified(item.record, names_of(item), rules)
    uid = known or uid
    if uid in so_far.withdrawn:
        return StoredItem(item_no=item.item_no, result=ItemResult.DUPLICATE_IN_BATCH, lead=uid)
    if uid in so_far.leads:
        _merge(so_far.leads[uid], item)
        return StoredItem(item_no=item.item_no, result=ItemResult.DUPLICATE_IN_BATCH, lead=uid, raw=item.raw)
    if uid in rules.earlier:
        so_far.again.setdefault(uid, []).append(item)
        return StoredItem(item_no=item.item_no, result=ItemResult.DUPLICATE_IN_BATCH, lead=uid, raw=item.raw)
    result = _first_result(item, so_far, rules)
    if result is ItemResult.SUPPRESSED:
        return StoredItem(item_no=item.item_no, result=result, identity_hash=rules.listed(item))
    if result is not ItemResult.LEAD:
        return StoredItem(item_no=item.item_no, result=result, raw=item.raw)
    so_far.leads[uid] = DraftedLead(
        uid=uid,
        position=so_far.before + so_far.places + 1,
        record=record.model_copy(update={"raw_ref": rules.raw_ref(item.item_no)}),
        candidates=list(item.candidates),
        aliases=set(names_of(item)) - {record.platform_id},
    )
    return StoredItem(item_no=item.item_no, result=result, lead=uid, raw=item.raw)


def _first_result(item: FoundItem, so_far: Sorted, rules: SortingRules) -> ItemResult:
    if item.item_no in rules.decided:
        return rules.decided[item.item_no][0]
    if rules.listed(item) is not None:
        return ItemResult.SUPPRESSED
    if rules.max_leads is not None and so_far.places >= rules.max_leads:
        return ItemResult.OVER_MAX_RESULTS
    return ItemResult.LEAD


def _identified(record: LeadRecord, names: Sequence[str], rules: SortingRules) -> tuple[LeadUid, LeadRecord]:
    account = next((rules.accounts[name] for name in names if name in rules.accounts), None)
    if account is None:
        return lead_uid(record.platform, record.platform_id), record
    return account.uid, record.model_copy(update={"platform_id": account.platform_id})


def _merge(lead: DraftedLead, item: FoundItem) -> None:
    """Later items add what the first left open (spec 6.6 rule 1)."""
    if item.record is None:
        return
    lead.record = filled(lead.record, item.record)
    lead.candidates += [each for each in item.candidates if each not in lead.candidates]
    lead.aliases |= set(names_of(item)) - {lead.record.platform_id}


def filled(record: LeadRecord, other: LeadRecord) -> LeadRecord:
    """The record with unknown facts and missing links taken from another record of the same account."""
    missing = {
        name: getattr(other, name)
        for name in LeadRecord.model_fields
        if name not in _IDENTITY and getattr(record, name) is None and getattr(other, name) is not None
    }
    return record.model_copy(update={**missing, "links": {**other.links, **record.links}})
