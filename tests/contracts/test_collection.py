"""The tests can be collected together: `make prove` looks for its own in every folder at once."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_no_two_test_files_share_a_module_name() -> None:
    """pytest imports a file of a folder that is no package by its bare name, and stops at the second of that name."""
    loose = [path for path in TESTS.rglob("test_*.py") if not (path.parent / "__init__.py").exists()]
    names = Counter(path.name for path in loose if "node_modules" not in path.parts)
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []
