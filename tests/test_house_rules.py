"""Rules of the house that no linter knows: platform names, banned modules, file sizes."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "socialanalyzer_dagster"
FREE_FOR_NAMES = {"platforms", "sandbox"}
PLATFORM_NAMES = {"instagram", "patreon", "facebook"}
BANNED_MODULES = {"utils.py", "helpers.py", "common.py", "misc.py", "manager.py"}
WIRE_NAMES = {
    # link kinds (spec 6.5), the CRM's, vendors' and actors' own names: the platform is part of their vocabulary
    "domain/link_shapes.py",
    "domain/crm_properties.py",
    "vendors/apify_actors.py",
    "vendors/apify_items.py",
    "domain/operations.py",
}


def source_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in FREE_FOR_NAMES)


def docstring_nodes(tree: ast.AST) -> set[int]:
    """Ids of the constants that are documentation, which may name a platform as an example."""
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    } | {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def strings_naming_a_platform(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = docstring_nodes(tree)
    return [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documentation
        and node.value.strip().lower() in PLATFORM_NAMES
    ]


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_outside_platforms_compares_keys_or_branches_on_a_platform(path: Path) -> None:
    if str(path.relative_to(PACKAGE)) in WIRE_NAMES:
        return
    assert strings_naming_a_platform(path) == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in PACKAGE.rglob("*.py") if path.name in BANNED_MODULES] == []


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
        if "migrations" not in path.parts
    }
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_only_the_settings_module_reads_the_environment() -> None:
    reads = re.compile(r"os\.environ|os\.getenv|getenv\(")
    readers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if reads.search(path.read_text(encoding="utf-8"))
    }
    assert readers <= {"settings.py"}


def test_no_module_branches_on_the_environment() -> None:
    branches = re.compile(r"if .*environment\s*==")
    assert [path for path in PACKAGE.rglob("*.py") if branches.search(path.read_text(encoding="utf-8"))] == []
