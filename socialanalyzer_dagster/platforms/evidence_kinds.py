"""The kinds of evidence that stages record."""

EMAIL_VERIFICATION = "email_verification"
ENRICHMENT_SUMMARY = "enrichment_summary"


def step_finds(step: str) -> str:
    """Kind of what an enrichment step found."""
    return f"step_{step.lower()}_finds"
