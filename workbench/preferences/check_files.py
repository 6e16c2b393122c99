"""Questions whose answer is known, and answers to be judged, as people write them: JSON Lines, one object a line."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.core.errors import Problems, UserError
from workbench.core.limits import MOST_LEVELS, too_deep
from workbench.preferences.quality_checks import QualityCheck
from workbench.preferences.sessions import GOLD, TRAINING, Message, check_prompt_turns

CHECK_FIELDS = ("prompt", "messages", "better", "worse", "kind", "equal", "explanation")
MOST_FILE_BYTES = 200 * 1024**2
EXAMPLE = '{"prompt": "…", "better": "…", "worse": "…", "kind": "gold"}'


def json_objects(text: str, field: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number of the line, object) of each line that is not empty; raises `UserError` for one that is no object."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"line {number} is not JSON: {error}.", "Write one object a line.", field) from None
        if not isinstance(found, dict) or too_deep(found):
            raise UserError(f"line {number} is no JSON object of at most {MOST_LEVELS} levels.", EXAMPLE, field)
        yield number, found


def prompt_of(found: Mapping[str, Any], problems: Problems, *path: str | int) -> list[Message]:
    """The prompt of an object: a text or messages under 'prompt', or messages under 'messages'."""
    given = found.get("prompt", found.get("messages"))
    turns = [{"role": "user", "content": given}] if isinstance(given, str) and given.strip() else given
    if not isinstance(turns, list):
        problems.add((*path, "prompt"), "is missing.", "Give a text, or messages with 'role' and 'content'.")
        return []
    check_prompt_turns(turns, problems, *path)
    return turns


def read_checks(text: str, field: str = "checks") -> list[QualityCheck]:
    """The gold and training questions of a text.

    Raises `UserError` for what is no JSON, `SpecError` with every wrong line and value.
    """
    problems, checks = Problems(), []
    for number, found in json_objects(text, field):
        where = field, f"line {number}"
        unknown = sorted(set(found) - set(CHECK_FIELDS))
        if unknown:
            problems.add(where, f"has {unknown[0]!r}, which is not known.", f"There are {', '.join(CHECK_FIELDS)}.")
        for name in ("better", "worse"):
            if not isinstance(found.get(name), str) or not found[name].strip():
                problems.add((*where, name), "is missing.", f"Write a line such as {EXAMPLE}.")
        kind, equal = found.get("kind", GOLD), found.get("equal", False)
        if kind not in (GOLD, TRAINING):
            problems.add((*where, "kind"), f"is {kind!r}.", "Use 'gold' or 'training'.")
        if not isinstance(equal, bool):
            problems.add((*where, "equal"), f"is {equal!r}.", "Use true where both are equally good, else false.")
        prompt = prompt_of(found, problems, *where)
        better, worse = str(found.get("better")), str(found.get("worse"))
        if better.split() == worse.split():
            problems.add(where, "has the same answer twice.", "Give two that differ.")
        checks.append(QualityCheck(prompt, better, worse, kind, bool(equal), str(found.get("explanation") or "")))
    problems.check()
    return checks
