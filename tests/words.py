"""Names say what they hold: `python -m tests.words` counts words that say nothing, and finds names that stand twice and
constants of quantities without a unit.

A binding is a name that is assigned, imported under another name, or taken as a parameter. One counts when it is one of
`VAGUE`, alone or as the last part of it, since that is the part which names the thing.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

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
    "version of a format": "UNVERSIONED VERSION REVISION QUANTIZATION_VERSION SCHEMA_VERSION",
    "seed, or step between seeds": "SEED STRIDE",
    "number that a file format, a library or the system gives a meaning": (
        "NORMAL UNKNOWN CONTROL USER_DEFINED BYTE UINT32 TEXT ARRAY GEMMA_TURN FLASH_ATTENTION OFF WARNING ERROR "
        "CONTINUED SPACE IGNORED FICLONE CREATION_LOCK LOOSE M_TRIM_THRESHOLD M_MMAP_THRESHOLD M_ARENA_MAX LARGEST"
    ),
    "bare number of a formula": "TINY STEP EPSILON RIDGE Z95",
}
"""Constants that are numbers but measure nothing: why, and their names."""


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


def sources() -> list[Path]:
    return sorted(
        path
        for room in ROOMS
        for path in ([ROOT / room] if room.endswith(".py") else (ROOT / room).rglob("*.py"))
        if path.name != "__init__.py"
    )


def main(argv: list[str]) -> int:
    total, vague, by_file = 0, Counter[str](), Counter[str]()
    unitless: list[str] = []
    stems, public = defaultdict(list), defaultdict(list)
    for path in sources():
        tree, name = ast.parse(path.read_text("utf-8")), path.relative_to(ROOT).as_posix()
        names = list(bindings(tree))
        total += len(names)
        vague.update(each for each in names if is_vague(each))
        by_file[name] = sum(map(is_vague, names))
        unitless += [f"{name}: {constant}" for constant in quantities(tree) if lacks_unit(constant)]
        stems[path.stem].append(name)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                public[node.name].append(name)
    share = sum(vague.values()) / total
    print(f"{sum(vague.values())} of {total} names say nothing: {share:.2%} (goal under {MOST_SHARE:.0%})")
    if "--files" in argv:
        print(*(f"{count:5} {name}" for name, count in by_file.most_common() if count), sep="\n")
    if "--names" in argv:
        print(*(f"{count:5} {name}" for name, count in vague.most_common(60)), sep="\n")
    if "--twice" in argv:
        for title, names in (("module stems", stems), ("public names", public)):
            twice = {name: files for name, files in names.items() if len(files) > 1}
            print(f"{len(twice)} {title} stand twice:")
            print(*(f"  {name}: {', '.join(files)}" for name, files in sorted(twice.items())), sep="\n")
    if unitless:
        print("These constants are quantities without a unit; a name ends in what is counted or measured:")
        print(*(f"  {line}" for line in unitless), sep="\n")
    return int(share > MOST_SHARE or bool(unitless))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
