"""What the command line may change about a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Empty = the benchmark's own choice; `limits` are vendors' limits such as `openai.tokens=450000/60`."""

    engines: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    limits: tuple[str, ...] = ()
