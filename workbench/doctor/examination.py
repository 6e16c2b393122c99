"""All checks, one after the other, each in a process of its own: a crash or a hang of one is a finding like others."""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workbench.core.child_process import ChildProcess, exit_reason
from workbench.core.errors import UserError, shortened
from workbench.doctor.finding import Fact, MachineFinding
from workbench.doctor.machine_check import CHECKS, Check, ordered_checks
from workbench.doctor.privacy import Privacy

MODULE = "workbench.doctor.check_process"
LAST_WORDS_BYTES = 4_000
MOST_CHARACTERS = 400  # of a sentence
QUICK = ("It takes longer than a quick look.", "Leave out --quick.")
OFFLINE = {"HF_HUB_OFFLINE": "1"}


def chosen_checks(names: Sequence[str]) -> list[type[Check]]:
    """The checks of these names in their order, all for none; raises `UserError` for a name that is none."""
    wanted = {CHECKS.get(name).method for name in names}
    return [check for check in ordered_checks() if not wanted or check.method in wanted]


def examine(
    home: Path,
    checks: Sequence[type[Check]],
    quick: bool = False,
    starting: Callable[[type[Check], int], None] = lambda check, index: None,
    ended: Callable[[MachineFinding], None] = lambda finding: None,
    check_stop: Callable[[], object] = lambda: None,
) -> list[MachineFinding]:
    """Runs the checks; no finding names this machine, its user or their secrets.

    home: the folder of the home, whether or not it can be used. starting, ended: called around every check.
    check_stop: called often; what it raises ends everything.
    """
    findings: list[MachineFinding] = []
    privacy = Privacy.of_machine(home)
    for index, check in enumerate(checks):
        starting(check, index)
        if quick and check.slow:
            finding = _finding(check, "not run", [], *QUICK)
        else:
            finding = run_isolated(check, home, check_stop)
        findings.append(privacy.cleaned(finding))
        ended(findings[-1])
    return findings


def run_isolated(check: type[Check], home: Path, check_stop: Callable[[], object] = lambda: None) -> MachineFinding:
    """One check in a process of its own, ended with it and all it has made."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="llm-workbench-doctor-"))
    try:
        finding = _run_in(check, home, folder, check_stop)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return finding.model_copy(update={"seconds": round(time.monotonic() - began, 2)})


def _run_in(check: type[Check], home: Path, folder: Path, check_stop: Callable[[], object]) -> MachineFinding:
    scratch, errors = folder / "scratch", folder / "errors.txt"
    scratch.mkdir()
    facts: list[Fact] = []
    end: dict[str, Any] | None = None
    deadline = time.monotonic() + check.limit_seconds

    def look() -> None:
        check_stop()
        if time.monotonic() > deadline:
            raise TimeoutError

    command = [sys.executable, "-m", MODULE]
    extra = {} if check.online else OFFLINE
    with errors.open("wb") as log, ChildProcess(command, *check.credentials, extra=extra, errors=log) as child:
        child.write(json.dumps({"check": check.method, "home": str(home), "scratch": str(scratch)}) + "\n")
        try:
            for line in child.lines(look):
                message = json.loads(line)
                facts += [Fact.parse(message["fact"])] if "fact" in message else []
                end = message.get("end", end)
        except TimeoutError:
            text = f"It did not end within {check.limit_seconds:g} seconds and was ended."
            return _finding(check, "problem", facts, text, check.remedy)
        if end is None:
            reason = exit_reason(child.wait(), _last_words(errors))
            return _finding(check, "problem", facts, f"Its process {reason}.", check.remedy)
    return _finding(check, end["status"], facts, end["message"], end["remedy"])


def _last_words(errors: Path) -> str:
    with errors.open("rb") as file:
        file.seek(max(0, errors.stat().st_size - LAST_WORDS_BYTES))
        return file.read().decode("utf-8", "replace")


def _finding(check: type[Check], status: Any, facts: list[Fact], message: str, remedy: str) -> MachineFinding:
    return MachineFinding(
        check=check.method, title=check.title, status=status, facts=facts,
        message=_one_line(message), remedy=_one_line(remedy),
    )  # fmt: skip


def _one_line(text: str) -> str:
    return shortened(" ".join(text.split()), MOST_CHARACTERS)


def failed_checks(findings: Sequence[MachineFinding]) -> UserError | None:
    """What is to be said at the end where something does not work; None where all does."""
    names = [finding.check for finding in findings if finding.status == "problem"]
    if not names:
        return None
    return UserError(f"{len(names)} of {len(findings)} checks found a problem: {', '.join(names)}.", "See above.")
