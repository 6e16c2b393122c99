"""Names say what they hold: `python -m tests.words` counts words that say nothing, and finds names that stand twice and
constants of quantities without a unit.

A binding is a name that is assigned, imported under another name, or taken as a parameter. One counts when it is one of
`VAGUE`, alone or as the last part of it, since that is the part which names the thing.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from workbench.cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
ROOMS = ("workbench", "tabs", "app.py")
MOST_SHARE = 0.01
VAGUE = {
    "found": "result, match, resolved, problems: what was looked for",
    "one": "item, row, model, index: what it is one of",
    "place": "index, position, offset, path",
    "part": "piece, segment, shard, field, block",
    "made": "result, output, built, created: what was made",
    "given": "value, argument, settings, input",
    "done": "completed, processed, finished",
    "told": "message, reported, announced",
    "kept": "retained, remaining, saved",
    "known": "names, existing, registered, cached",
    "seen": "visited, seen_ids, previous",
    "what": "kind, subject, action",
    "said": "message, text, words",
    "know": "resolve, detect",
    "draws": "random_keys, samples",
    "spread": "parallel_map, divided",
    "straight": "fast, direct",
}
"""What says nothing, with the field's words for it."""

MEASURES = {"SHARE", "RATIO", "COSINE", "NATS", "NORM", "CONDITION", "RATING", "TURN", "SECOND"}
"""How a quantity may end besides by a plural, which says what is counted: `SHARD_BYTES`, `POLL_SECONDS`."""
NO_QUANTITIES = {
    "exit code or number of a stream": "FAILED MISUSED INTERRUPTED KILLED ALREADY_TAKEN OUT ERR",
    "version of a format": "UNVERSIONED VERSION REVISION QUANTIZATION_VERSION SCHEMA_VERSION ARCHIVE_VERSION",
    "seed, or step between seeds": "SEED STRIDE",
    "number that a file format, a library or the system gives a meaning": (
        "NORMAL UNKNOWN CONTROL USER_DEFINED BYTE UINT32 TEXT ARRAY GEMMA_TURN FLASH_ATTENTION OFF WARNING ERROR "
        "CONTINUED SPACE IGNORED FICLONE CREATION_LOCK LOOSE M_TRIM_THRESHOLD M_MMAP_THRESHOLD M_ARENA_MAX LARGEST"
    ),
    "bare number of a formula": "TINY STEP EPSILON RIDGE Z95",
}
"""Constants that are numbers but measure nothing: why, and their names."""


STEMS_TWICE = {
    "tab, figure or page of what the room of that name does": (
        "context cost export format generate gguf importing judging layers merge_search page prompts ratings recipe "
        "reference replies report rows search sessions settings shelves source stack statistics table templates "
        "token_view uploads values"
    ),
    "protocol: what a tab is found by": "tab panels result",
    "method, named as what it does is called": "alpaca sharegpt files pipeline shelf split turns",
    "same role in rooms that do not import one another": "engine method run shelving worker",
}
NAMES_TWICE = {
    "what a process begins with": "main",
    "protocol: how a tab is built, how figures of a result are drawn": "build figures result_panel",
    "engine of a kind of job": "run",
    "why a library cannot be used here, or ''": "unavailable",
    "method, named as the layout or kind is called": "Alpaca ShareGPT ShelvedEnsemble",
    "step of the page and the engine's function that it calls": "quantize restore touched",
    "alias or constant of one meaning": "DOCUMENTS Item Message Row SHOWN",
}
"""Stems of modules and public names that may stand twice: why, and which."""


def bindings(tree: ast.AST) -> Iterator[str]:
    """Every name that is bound."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def is_vague(name: str) -> bool:
    """Whether the name, or the last of its words, is one that says nothing."""
    return name.strip("_").rsplit("_", 1)[-1].lower() in VAGUE


def quantities(tree: ast.Module) -> Iterator[str]:
    """The module's constants that are numbers, or made of numbers and other constants."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _numbers(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value:
            yield from _numbers(node.target, node.value)


def _numbers(target: ast.expr, value: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for name, item in zip(target.elts, value.elts, strict=True):
            yield from _numbers(name, item)
    elif isinstance(target, ast.Name) and target.id.isupper() and _is_number(value):
        yield target.id


def _is_number(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return all(_is_number(side) or isinstance(side, ast.Name) for side in (value.left, value.right))
    if isinstance(value, ast.UnaryOp):
        return _is_number(value.operand)
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def lacks_unit(name: str) -> bool:
    """Whether the name of a quantity says neither what is counted nor what is measured."""
    word = name.rsplit("_", 1)[-1]
    listed = any(name.strip("_") in names.split() for names in NO_QUANTITIES.values())
    return not (word.endswith("S") or word in MEASURES or listed)


def public_names(tree: ast.Module, is_imported: Callable[[str], bool]) -> Iterator[str]:
    """The module's functions and classes without underscore, and those constants and aliases that others import."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from () if node.name.startswith("_") else (node.name,)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else (node.target,):
                if isinstance(target, ast.Name) and not target.id.islower() and is_imported(target.id):
                    yield target.id


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of what is imported from modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def wrong_twice(title: str, files: Mapping[str, list[str]], reasons: Mapping[str, str]) -> Iterator[str]:
    """What stands twice without a reason, and what has a reason but no longer stands twice."""
    twice = {name: where for name, where in files.items() if len(where) > 1}
    allowed = {name for names in reasons.values() for name in names.split()}
    yield from (f"{title} {name}: {', '.join(twice[name])}" for name in sorted(twice.keys() - allowed))
    yield from (f"{title} {name}: stands once, its reason can go" for name in sorted(allowed - twice.keys()))


def sources() -> list[Path]:
    return sorted(
        path
        for room in ROOMS
        for path in ([ROOT / room] if room.endswith(".py") else (ROOT / room).rglob("*.py"))
        if path.name != "__init__.py"
    )


def twice(trees: Mapping[str, ast.Module]) -> Iterator[str]:
    """Stems and public names that stand twice without a reason; a command's function has the name that is typed."""
    imported = {pair for tree in trees.values() for pair in imported_names(tree)}
    commands = {command.target for command in COMMANDS}
    stems, public = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for name, tree in trees.items():
        module = name.removesuffix(".py").replace("/", ".")
        stems[module.rpartition(".")[2]].append(name)
        for each in public_names(tree, lambda constant, module=module: (module, constant) in imported):  # type: ignore[misc]
            if f"{module}:{each}" not in commands:
                public[each].append(name)
    yield from wrong_twice("module", stems, STEMS_TWICE)
    yield from wrong_twice("name", public, NAMES_TWICE)


def main(argv: list[str]) -> int:
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in sources()}
    vague, by_file = Counter[str](), Counter[str]()
    for name, tree in trees.items():
        names = list(filter(is_vague, bindings(tree)))
        vague.update(names)
        by_file[name] = len(names)
    total = sum(1 for tree in trees.values() for _ in bindings(tree))
    share = sum(vague.values()) / total
    print(f"{sum(vague.values())} of {total} names say nothing: {share:.2%} (goal under {MOST_SHARE:.0%})")
    for option, counts in (("--files", by_file), ("--names", vague)):
        if option in argv:
            print(*(f"{count:5} {name}" for name, count in counts.most_common() if count), sep="\n")
    unitless = [f"{name}: {each}" for name, tree in trees.items() for each in quantities(tree) if lacks_unit(each)]
    repeated = list(twice(trees))
    for title, wrong in (
        ("These constants are quantities without a unit; a name ends in what is counted or measured:", unitless),
        ("These stand twice; give one another name, or say in tests/words.py why both may have it:", repeated),
    ):
        if wrong:
            print(title, *(f"  {line}" for line in wrong), sep="\n")
    return int(share > MOST_SHARE or bool(unitless or repeated))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
