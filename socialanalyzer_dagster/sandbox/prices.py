"""What the simulated vendors charge: micro-USD per unit for every price key of the vendors' contract."""

from fractions import Fraction

_USD_PER_UNIT = {
    "insightiq.search_export": "0.02",
    "insightiq.search": "0.02",
    "insightiq.contents_fetch": "0.04",
    "insightiq.profile": "0.50",
    "insightiq.contact_info": "0.50",
    "apify.google_search": "0.0035",
    "apify.cheerio": "0.0005",
    "apify.instagram_profile": "0.0026",
    "apify.twitter_user": "0.0004",
    "apify.leads_finder": "0.0015",
    "apify.leads_finder.start": "0.02",
    "apify.patreon": "0.01",
    "apify.other": "0.005",
    "apollo.people_match": "0.025",
    "email_verifier.single": "0.0037",
    "email_verifier.bulk": "0.0037",
    "openai.whisper-1": "0.006",
    "openai.gpt-4o-transcribe": "0.006",
    "openai.gpt-4o-mini-transcribe": "0.003",
    "r2.class_a": "0.0000045",
    "r2.class_b": "0.00000036",
}
"""Unit: profile, call, page, user, lead, run, creator, item, person, address, audio minute or storage operation."""

_USD_PER_MILLION_TOKENS = {
    "gpt-4o": ("2.50", "1.25", "10.00"),
    "gpt-4o-mini": ("0.15", "0.075", "0.60"),
    "gpt-4.1": ("2.00", "0.50", "8.00"),
    "gpt-4.1-mini": ("0.40", "0.10", "1.60"),
    "gpt-4.1-nano": ("0.10", "0.025", "0.40"),
}
EMBEDDING_USD_PER_MILLION_TOKENS = {"text-embedding-3-small": "0.02", "text-embedding-3-large": "0.13"}
CHAT_MODELS = tuple(_USD_PER_MILLION_TOKENS)
TRANSCRIPTION_MODELS = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
BATCH_FACTOR = Fraction(1, 2)


def micros_per_unit() -> dict[str, Fraction]:
    """Price key -> exact micro-USD per unit; where models count tokens, per token."""
    table = {key: Fraction(usd) * 1_000_000 for key, usd in _USD_PER_UNIT.items()}
    for model, usd in _USD_PER_MILLION_TOKENS.items():
        for part, price in zip(("input", "cached_input", "output"), usd, strict=True):
            table[f"openai.{model}.{part}"] = Fraction(price)
    for model, price in EMBEDDING_USD_PER_MILLION_TOKENS.items():
        table[f"openai.{model}"] = Fraction(price)
    return table
