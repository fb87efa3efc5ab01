"""Whether somebody recorded a lawful basis and a notice plan, or those of the package still stand there (spec 19.1)."""

from socialanalyzer_dagster.domain.policy import Policy, shipped_policy

HOW_TO_RECORD = (
    "name your own balancing test in privacy.lawful_basis and your notice plan in privacy.notice_plan "
    "(or null where there is none), then run `socialanalyzer policy activate FILE --by NAME`"
)


def unrecorded_privacy(policy: Policy) -> tuple[str, ...]:
    """Keys that hold what the package ships for the sandbox: nobody decided that, so live mode does not act on it."""
    own, shipped = policy.privacy, shipped_policy().privacy
    stated = {
        "privacy.lawful_basis": (own.lawful_basis, shipped.lawful_basis),
        "privacy.notice_plan": (own.notice_plan, shipped.notice_plan),
    }
    return tuple(key for key, (value, placeholder) in stated.items() if value is not None and value == placeholder)
