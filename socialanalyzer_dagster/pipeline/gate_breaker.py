"""Where the gate asks whether a vendor may be called at all, and tells how calls ended (spec 13.1, 13.2)."""

from typing import Protocol

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable


class Breaker(Protocol):
    """Health of the vendors; an implementation may share it over processes."""

    async def admit(self, vendor: str) -> None:
        """Raises ProviderUnavailable while the vendor must not be called."""
        ...

    def succeeded(self, vendor: str) -> None:
        """An answer came."""
        ...

    def failed(self, error: VendorError) -> None:
        """A call failed, in any class."""
        ...


class ServiceMemory:
    """Lets everything pass until a vendor refuses its service; then nothing, for the life of the process.

    A bad key, no credit or a plan limit does not heal by asking again: a person acts and starts a new run.
    """

    def __init__(self) -> None:
        self._refused: dict[str, str] = {}

    async def admit(self, vendor: str) -> None:
        """Raises ProviderUnavailable after a permanent refusal of the service."""
        if code := self._refused.get(vendor):
            raise ProviderUnavailable(vendor, code)

    def succeeded(self, vendor: str) -> None:
        """A success does not reopen a refused service: an answer sent before the refusal says nothing about now."""

    def failed(self, error: VendorError) -> None:
        """Remember a refusal of the service."""
        if error.error_class is ErrorClass.PERMANENT_SERVICE:
            self._refused.setdefault(error.vendor, error.code)
