"""The findings as Markdown that can be pasted into a bug report, and as a line for a terminal."""

from collections.abc import Sequence

from workbench import __version__
from workbench.doctor.finding import STATUSES, MachineFinding

SIGNS = {"ok": "✓", "note": "i", "problem": "✗", "not run": "–"}
STATUS_CHARACTERS, TITLE_CHARACTERS = 7, 20


def counted(findings: Sequence[MachineFinding]) -> str:
    """'8 ok, 1 note, 1 not run'."""
    counts = [(sum(finding.status == status for finding in findings), status) for status in STATUSES]
    return ", ".join(f"{count} {_plural(status, count)}" for count, status in counts if count)


def _plural(status: str, count: int) -> str:
    return f"{status}s" if count > 1 and status in ("note", "problem") else status


def finding_lines(finding: MachineFinding) -> str:
    """A finding for a terminal: a line, and beneath it what is wrong and what to do."""
    head = f"{SIGNS[finding.status]} {finding.status:{STATUS_CHARACTERS}}  {finding.title:{TITLE_CHARACTERS}}"
    lines = [f"{head}  {finding.measured()} ({finding.seconds:.1f} s)"]
    lines += [f"    {text}" for text in (finding.message, _remedy(finding.remedy)) if text]
    return "\n".join(lines)


def _remedy(text: str) -> str:
    return f"→ {text}" if text else ""


def markdown_report(findings: Sequence[MachineFinding]) -> str:
    """A table of every check and what it measured."""
    lines = [
        f"## LLM Workbench {__version__}: check of the machine", "", f"{counted(findings)}", "",
        "| Check | Status | Measured | What to do |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for finding in findings:
        measured = " ".join(text for text in (finding.message, finding.measured()) if text)
        cells = (finding.title, finding.status, f"{measured} ({finding.seconds:.1f} s)", finding.remedy)
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
