"""Facts about the names of fault kinds: only known ones are taken, and every listed one is read somewhere."""

from pathlib import Path

import pytest

from socialanalyzer_dagster.sandbox import fault_kinds
from socialanalyzer_dagster.sandbox.fault_kinds import VENDOR_KINDS, is_vendor_kind
from socialanalyzer_dagster.sandbox.faults import GENERIC_KINDS, LEVELS, fault_from_json

SANDBOX = Path(fault_kinds.__file__).parent
READERS = [path for path in SANDBOX.rglob("*.py") if path.name not in {"fault_kinds.py", "faults.py"}]


def test_the_levels_use_known_kinds_only() -> None:
    for switches in LEVELS.values():
        for switch in switches:
            assert switch.kind in GENERIC_KINDS or is_vendor_kind(switch.vendor, switch.kind), switch


def test_every_kind_is_read_by_a_module_of_the_sandbox() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in READERS)
    named = {kind for kinds in VENDOR_KINDS.values() for kind in kinds if not kind.startswith("result_")}
    assert {kind for kind in named if f'"{kind}"' not in source} == set()


def test_a_misspelt_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault of the kind plan_eror"):
        fault_from_json({"vendor": "apify", "kind": "plan_eror"})
    with pytest.raises(ValueError, match="slack shows no fault"):
        fault_from_json({"vendor": "slack", "kind": "plan_error"})
    assert fault_from_json({"vendor": "apify", "kind": "plan_error"}).kind == "plan_error"
    assert fault_from_json({"vendor": "*", "kind": "error_503"}).vendor == "*"
