"""Imports run one way, and starting up imports nothing heavy."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.core.assets import ROOT

HEAVY = ("torch", "mergekit", "optuna", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate")


def sources(folder: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """The top-level packages named by the import statements among these nodes."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
    return found


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Everything that runs when the module is imported; type checkers' own imports are left out."""
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not typing_only:
            yield child
            yield from outside_functions(child)


def tree(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text("utf-8"))


def loaded_after(code: str) -> set[str]:
    """The heavy packages in sys.modules after running code in a fresh interpreter."""
    tell = f"import sys; print('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split("LOADED")[-1].split())


def test_the_page_starts_without_the_heavy_packages() -> None:
    assert loaded_after("import app") == set()


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    helped = "import runpy, sys; sys.argv = ['workbench', '--help']\n"
    run = "try: runpy.run_module('workbench', run_name='__main__')\nexcept SystemExit as end: assert not end.code"
    assert loaded_after(helped + run) == set()


def test_the_page_is_composed_and_jobs_checked_without_the_heavy_packages(tmp_path: Path) -> None:
    code = f"""
import app
from workbench.core.assets import ROOT
from tabs.shell.context import Context
from workbench.chat.service import ChatService
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.training.jobs.train import Train
home = Home.at({str(tmp_path)!r}); queue = Queue(home)
app.compose(Context(home, queue, Runner(home, queue), ChatService(home)))
try: queue.submit(Train(model="a", dataset="b", tuner="qlora"))
except UserError: pass
"""
    assert loaded_after(code) == set()


@pytest.mark.parametrize("source", sources("workbench"))
def test_the_engine_knows_nothing_of_the_page(source: str) -> None:
    assert not imported(ast.walk(tree(source))) & {"gradio", "tabs", "app", "plotly"}


@pytest.mark.parametrize("source", sources("tabs"))
def test_a_tab_knows_nothing_of_the_app(source: str) -> None:
    assert "app" not in imported(ast.walk(tree(source)))


def says_that_it_is_heavy(source: str) -> bool:
    """Whether a module's docstring names the packages it imports, for those that only workers import."""
    return bool(re.search(r"\bImports [\w, ]+:\s+only\s", ast.get_docstring(tree(source)) or ""))


EVERY = sorted({*sources("workbench"), *sources("tabs"), "app.py"})
HEAVY_MODULES = [source for source in EVERY if says_that_it_is_heavy(source)]


@pytest.mark.parametrize("source", sorted({*EVERY} - {*HEAVY_MODULES}))
def test_heavy_packages_are_imported_inside_functions(source: str) -> None:
    assert not imported(outside_functions(tree(source))) & set(HEAVY)


def test_who_says_so_imports_them_or_a_module_that_does() -> None:
    heavy = {source.removesuffix(".py").replace("/", ".") for source in HEAVY_MODULES}
    assert len(heavy) > 20
    for source in HEAVY_MODULES:
        nodes = list(outside_functions(tree(source)))
        modules = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        assert imported(iter(nodes)) & set(HEAVY) or modules & heavy, source
