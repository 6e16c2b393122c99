"""The process of one check: reads {check, home, scratch} on standard input, writes a line of JSON for each fact and for
how it ended.

What libraries print goes to standard error. It ends with its parent: the end of its standard input ends it.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from workbench.core.errors import UserError, explain
from workbench.doctor.machine_check import CHECKS, CheckProbe, NotRun


def main() -> None:
    """Runs the check and ends the process at once: some libraries crash on their way out."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as out:
        os.dup2(2, 1)
        request = json.loads(sys.stdin.readline())
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        end = run_check(request, out)
        _write(out, {"end": end})
        out.flush()
        sys.stderr.flush()
    os._exit(0)


def run_check(request: dict[str, Any], out: TextIO) -> dict[str, str]:
    """{status, message, remedy} of a check; its facts are written as they come."""
    probe = CheckProbe(
        Path(request["home"]), Path(request["scratch"]), lambda fact: _write(out, {"fact": fact.to_dict()})
    )
    check = CHECKS.get(request["check"])
    try:
        check().measure(probe)
    except NotRun as reason:
        return _ended("not run", reason)
    except BaseException as error:
        known = explain(error, check.remedy)
        return _ended("problem", known if known.remedy else UserError(known.message, check.remedy))
    if probe.notes:
        messages = " ".join(note.message for note in probe.notes)
        return _ended("note", UserError(messages, " ".join(note.remedy for note in probe.notes if note.remedy)))
    return _ended("ok", UserError("", ""))


def _ended(status: str, error: UserError) -> dict[str, str]:
    return {"status": status, "message": error.message, "remedy": error.remedy}


def _write(out: TextIO, line: dict[str, Any]) -> None:
    print(json.dumps(line), file=out, flush=True)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
