"""Property tests of the domain find the same examples on every machine and have no time limit per example."""

from hypothesis import settings

settings.register_profile("domain", deadline=None, derandomize=True)
settings.load_profile("domain")
