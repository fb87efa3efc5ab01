"""Which of several candidate values becomes a lead's contact value, the same in any order (spec 8.4, I-8)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.emails import EmailStatus, is_personal_address, is_role_address
from socialanalyzer_dagster.domain.hosts import is_own_website, registered_domain
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind
from socialanalyzer_dagster.domain.names import holds_name, name_tokens
from socialanalyzer_dagster.domain.policy import Policy

EMAIL = "email"
WEBSITE = "personal_website"
_DISCOVERY_STEPS = frozenset({"discovery", "list"})
_UNUSABLE = frozenset({EmailStatus.INVALID, EmailStatus.DISPOSABLE})
_ANSWERED = _UNUSABLE | {EmailStatus.VALID, EmailStatus.CATCH_ALL, EmailStatus.UNKNOWN}
_STATUS_RANK = {EmailStatus.VALID: 0, EmailStatus.CATCH_ALL: 1, EmailStatus.UNKNOWN: 2}
_NOT_VERIFIED_RANK = 3
_KIND_RANK = {kind: rank for rank, kind in enumerate(CandidateKind)}
_NAME_FIELDS = ("name", "first_name", "last_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceContext:
    """What the choice knows beside the candidates.

    `email_statuses` maps the canonical address to the answer of verification; an address that was tried without an
    answer is UNVERIFIED, one that was not tried is absent. `website` is the site the lead is already known by.
    """

    names: tuple[str, ...] = ()
    website: str | None = None
    email_statuses: Mapping[str, EmailStatus] = field(default_factory=dict)


def resolve(candidates: Iterable[Candidate], context: ChoiceContext, policy: Policy) -> dict[str, Candidate]:
    """Field -> chosen candidate; a field without a usable candidate is absent.

    Depends only on the set of candidates: never on their order, nor on which step finished first.
    """
    by_field: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_field.setdefault(candidate.field, []).append(candidate)
    chosen = {name: min(found, key=_plain_key) for name, found in by_field.items() if name != EMAIL}
    ranking = _EmailRanking(chosen, context, policy)
    if usable := ranking.usable(by_field.get(EMAIL, [])):
        chosen[EMAIL] = usable[0]
    return dict(sorted(chosen.items()))


def next_to_verify(candidates: Iterable[Candidate], context: ChoiceContext, policy: Policy) -> Candidate | None:
    """The address that step L should verify now (spec 8.4, 8.6).

    None when the best usable address has an answer, when it was tried without one (it stays held and is retried by a
    later run), when `enrichment.max_verifications` distinct addresses were tried, or when there is none left.
    """
    found = list(candidates)
    ranking = _ranking_of(found, context, policy)
    emails = [candidate for candidate in found if candidate.field == EMAIL]
    usable = ranking.usable(emails)
    tried = {candidate.canonical for candidate in emails if candidate.canonical in context.email_statuses}
    if not usable or usable[0].canonical in tried or len(tried) >= policy.enrichment.max_verifications:
        return None
    return usable[0]


def email_problem(candidates: Iterable[Candidate], context: ChoiceContext, policy: Policy) -> str | None:
    """Why a lead has no usable address after step L: no_email, email_invalid, email_disposable; None when it has one.

    When `enrichment.max_verifications` addresses proved unusable, the untried rest counts as unusable too: it would
    never be verified, and what is not verified is never synced. The code is that of the best-ranked address.
    """
    found = list(candidates)
    emails = [candidate for candidate in found if candidate.field == EMAIL]
    if not emails:
        return "no_email"
    refused = [candidate for candidate in emails if _status(candidate, context) in _UNUSABLE]
    usable = _ranking_of(found, context, policy).usable(emails)
    spent = len({candidate.canonical for candidate in refused}) >= policy.enrichment.max_verifications
    if usable and not (spent and _status(usable[0], context) not in _ANSWERED):
        return None
    first = min(refused, key=_ranking_of(found, context, policy).key)
    return "email_disposable" if _status(first, context) is EmailStatus.DISPOSABLE else "email_invalid"


def email_key(candidate: Candidate, context: ChoiceContext, policy: Policy) -> tuple[int | str, ...]:
    """The ordering of spec 8.4, smaller is better: verification, kind, domain, local part, step, value.

    What the person corrected comes before all of it (spec 19.4).
    """
    return _EmailRanking({}, context, policy).key(candidate)


class _EmailRanking:
    """The e-mail order of one lead: its own domain and names come from the context and the other chosen values."""

    def __init__(self, chosen: Mapping[str, Candidate], context: ChoiceContext, policy: Policy) -> None:
        website = context.website or (chosen[WEBSITE].value if WEBSITE in chosen else None)
        is_own = website is not None and is_own_website(website, policy.hosts)
        self._own_domain = registered_domain(website) if website is not None and is_own else None
        self._tokens = name_tokens((*context.names, *(chosen[name].value for name in _NAME_FIELDS if name in chosen)))
        self._context = context
        self._emails = policy.emails

    def usable(self, emails: Iterable[Candidate]) -> list[Candidate]:
        """Best first, without addresses that verification refused."""
        return sorted((email for email in emails if _status(email, self._context) not in _UNUSABLE), key=self.key)

    def key(self, candidate: Candidate) -> tuple[int | str, ...]:
        status = _status(candidate, self._context)
        verified = _NOT_VERIFIED_RANK if status is None else _STATUS_RANK.get(status, _NOT_VERIFIED_RANK)
        return (
            0 if candidate.kind is CandidateKind.PERSON else 1,
            verified,
            _KIND_RANK[candidate.kind],
            self._domain_rank(candidate.value),
            self._local_rank(candidate.value),
            *_plain_key(candidate),
        )

    def _domain_rank(self, address: str) -> int:
        if self._own_domain is not None and registered_domain(address.rpartition("@")[2]) == self._own_domain:
            return 0
        return 1 if is_personal_address(address, self._emails) else 2

    def _local_rank(self, address: str) -> int:
        if holds_name(address.rpartition("@")[0], self._tokens):
            return 0
        return 2 if is_role_address(address, self._emails) else 1


def _ranking_of(candidates: list[Candidate], context: ChoiceContext, policy: Policy) -> _EmailRanking:
    others = [candidate for candidate in candidates if candidate.field != EMAIL]
    return _EmailRanking(resolve(others, context, policy), context, policy)


def _status(candidate: Candidate, context: ChoiceContext) -> EmailStatus | None:
    return context.email_statuses.get(candidate.canonical)


def _plain_key(candidate: Candidate) -> tuple[int | str, ...]:
    """The person's own word, discovery, then step order and value; the rest only breaks ties of provenance."""
    supplied = candidate.step in _DISCOVERY_STEPS or candidate.kind is CandidateKind.DISCOVERY
    return (
        0 if candidate.kind is CandidateKind.PERSON else 1,
        0 if supplied else 1,
        "" if supplied else candidate.step,
        candidate.value.casefold(),
        candidate.value,
        candidate.provider,
        candidate.source_url or "",
        candidate.step,
        candidate.kind.value,
        candidate.canonical,
        candidate.evidence_id or "",
        candidate.fetched_at.isoformat(),
    )
