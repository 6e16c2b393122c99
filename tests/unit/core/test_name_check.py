"""The check of names: what it refuses."""

import ast

from tests.words import lacks_unit, quantities, twice, wrong_twice


def test_a_name_that_stands_twice_needs_a_reason() -> None:
    files = {"plan": ["a/plan.py", "b/plan.py"], "tab": ["c/tab.py", "d/tab.py"], "alone": ["e/alone.py"]}
    assert list(wrong_twice("module", files, {"protocol": "tab alone"})) == [
        "module plan: a/plan.py, b/plan.py",
        "module alone: stands once, its reason can go",
    ]


def test_functions_and_constants_that_others_import_count_and_private_ones_do_not() -> None:
    trees = {
        "workbench/a/first.py": ast.parse("LIMITS = 1\nOWN = 2\ndef twin(): ...\ndef _mine(): ..."),
        "workbench/b/second.py": ast.parse("LIMITS = 1\nOWN = 2\ndef twin(): ...\ndef _mine(): ..."),
        "workbench/c/third.py": ast.parse(
            "from workbench.a.first import LIMITS\nfrom workbench.b.second import LIMITS as L"
        ),
    }
    named = {line.partition(":")[0] for line in twice(trees) if "stands once" not in line}
    assert named == {"name LIMITS", "name twin"}


def test_a_quantity_says_its_unit() -> None:
    names = list(quantities(ast.parse("LONGEST = 20\nSHARD_BYTES = 2 * 10**9\nTITLE = 'a'")))
    assert [name for name in names if lacks_unit(name)] == ["LONGEST"]
