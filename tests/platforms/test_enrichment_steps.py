"""Every enrichment step fires for every platform where the policy has it on (I-14)."""

from collections.abc import Callable

import pytest

from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.policy import Policy, shipped_policy
from socialanalyzer_dagster.platforms.enrichment import enrich
from socialanalyzer_dagster.platforms.evidence_kinds import step_finds
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.sandbox.world.models import Creator
from tests.platforms.leads import candidate, creators, record_of, work_of
from tests.platforms.runs import Bench, run

NEEDED: dict[str, tuple[str, Callable[[Creator], str | None]] | None] = {
    "A": None,
    "B": ("rss", lambda creator: creator.links.rss),
    "C": ("link_aggregator", lambda creator: creator.links.aggregator),
    "D": ("youtube", lambda creator: creator.links.youtube),
    "E": ("instagram", lambda creator: creator.links.instagram),
    "F": ("twitter", lambda creator: creator.links.twitter),
    "G": ("link_aggregator", lambda creator: creator.links.aggregator),
    "H": None,
    "I": ("personal_website", lambda creator: creator.links.website),
    "J": ("personal_website", lambda creator: creator.links.website if creator.truth.apollo_knows else None),
    "K": ("personal_website", lambda creator: creator.links.website if creator.truth.leads_finder_knows else None),
}
SWITCHED_ON = [(key, letter) for key in PLATFORMS for letter in shipped_policy().enrichment.steps[key] if letter != "L"]


def only(policy: Policy, key: str, *letters: str) -> Policy:
    """The policy with just these steps on."""
    steps = {**policy.enrichment.steps, key: letters}
    return policy.model_copy(update={"enrichment": policy.enrichment.model_copy(update={"steps": steps})})


@pytest.mark.parametrize(("key", "letter"), SWITCHED_ON)
async def test_a_step_that_is_on_can_fire(key: str, letter: str, bench: Bench, world: SandboxServer) -> None:
    needed = NEEDED[letter]
    found = []
    for creator in creators(world.state.world, key):
        address = needed[1](creator) if needed else "none needed"
        if address and (needed or creator.display_name):
            found.append(record_of(creator, {needed[0]: address} if needed else {}))
    works = [work_of(record, position) for position, record in enumerate(found[:20])]
    there = bench.with_policy(only(bench.policy, key, letter))
    await run(enrich, works, there.context(platform(key)))
    states = [there.checkpoint.steps[work.uid][letter].state for work in works]
    assert StepState.FILLED in states
    assert there.gate.steps_sent(), "the step asked a vendor"


@pytest.mark.parametrize("key", list(PLATFORMS))
async def test_verification_is_on_everywhere_and_tells_a_status(key: str, bench: Bench, world: SandboxServer) -> None:
    with_mail = [creator for creator in creators(world.state.world, key) if creator.contact.email][:12]
    works = [
        work_of(record_of(creator), place, candidate("email", str(creator.contact.email)))
        for place, creator in enumerate(with_mail)
    ]
    there = bench.with_policy(only(bench.policy, key, "L"))
    results = await run(enrich, works, there.context(platform(key)))
    for creator, work in zip(with_mail, works, strict=True):
        told = {"ok": "valid"}.get(str(creator.truth.mailbox), str(creator.truth.mailbox))
        result = results[work.uid]
        if told in ("invalid", "disposable"):
            assert result.outcome.code == f"email_{told}"
            assert "email" not in result.values
        else:
            assert result.outcome.result == "passed"
            assert result.email_status == told


async def test_found_values_carry_source_step_time_and_evidence(bench: Bench, world: SandboxServer) -> None:
    sites = [creator for creator in creators(world.state.world, "patreon") if creator.links.website][:10]
    works = [
        work_of(record_of(creator, {"personal_website": str(creator.links.website)}), place)
        for place, creator in enumerate(sites)
    ]
    there = bench.with_policy(only(bench.policy, "patreon", "I"))
    results = await run(enrich, works, there.context(platform("patreon")))
    found = [one for result in results.values() for one in result.candidates]
    assert found
    for one in found:
        assert one.source_url
        assert one.step == "I"
        assert one.fetched_at.tzinfo is not None
        assert one.evidence_id in {
            evidence.evidence_id for result in results.values() for evidence in result.evidence
            if evidence.kind == step_finds("I")
        }  # fmt: skip
