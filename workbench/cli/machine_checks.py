"""The command that proves what works on this machine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from workbench.cli.screen import tell
from workbench.cli.shared import HomeFolder, option
from workbench.core.errors import saying

if TYPE_CHECKING:
    from workbench.doctor.finding import MachineFinding
    from workbench.doctor.machine_check import Check


def doctor(
    *checks: Annotated[str, option("the checks to run, by their names (default: all)", "CHECK")],
    quick: Annotated[bool, option("leave out what takes long: trainings, GGUF, the layer of a 7B model")] = False,
    report: Annotated[str, option("write Markdown to paste into a bug report, without secrets or names", "FILE")] = "",
    list_: Annotated[bool, option("only list the checks")] = False,
    unopened: HomeFolder,
) -> None:
    """Proves what works on this machine by doing it: trainings, kernels, GGUF, disk, port, hub. Exit code 1 means that
    something does not work; what to do about it stands beneath.
    """
    from workbench.doctor.examination import chosen_checks, examine, failed_checks
    from workbench.doctor.machine_report import counted, finding_lines, markdown_report

    chosen = chosen_checks(checks)
    if list_:
        _list(chosen, unopened.json)
        return

    def starting(check: "type[Check]", index: int) -> None:
        tell(f"[{index + 1}/{len(chosen)}] {check.title} …")

    def ended(finding: "MachineFinding") -> None:
        if not unopened.json:
            print(finding_lines(finding), flush=True)

    findings = examine(unopened.home, chosen, quick, starting, ended)
    if report:
        with saying(f"{report} was not written"):
            Path(report).expanduser().write_text(markdown_report(findings), "utf-8")
    if unopened.json:
        print(json.dumps({"findings": [finding.to_dict() for finding in findings]}, ensure_ascii=False))
    else:
        print(f"\n{counted(findings)}{f'; report in {report}' if report else ''}")
    if error := failed_checks(findings):
        raise error


def _list(checks: "list[type[Check]]", as_json: bool) -> None:
    rows = [(check.method, check.summary()) for check in checks]
    if as_json:
        print(json.dumps([{"check": name, "summary": summary} for name, summary in rows], ensure_ascii=False))
    else:
        print("\n".join(f"{name:18}  {summary}" for name, summary in rows))
