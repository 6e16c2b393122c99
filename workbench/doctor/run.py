"""Carries out the job that checks this machine."""

import json
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.core.home import write_text
from workbench.core.limits import bounded_text
from workbench.doctor.examination import chosen_checks, examine
from workbench.doctor.finding import MachineFinding
from workbench.doctor.jobs.doctor import Doctor
from workbench.doctor.machine_check import Check
from workbench.doctor.machine_report import counted, markdown_report
from workbench.jobs.job import JobContext

FINDINGS_FILE = "findings.json"


def run(job: Doctor, ctx: JobContext) -> dict[str, Any]:
    """Runs the checks; the job's folder has the findings so far, the result `findings`, and `report` as Markdown."""
    checks = chosen_checks(job.checks)
    so_far: list[dict[str, Any]] = []

    def starting(check: type[Check], index: int) -> None:
        ctx.task.update(index, len(checks), check.title)

    def ended(finding: MachineFinding) -> None:
        so_far.append(finding.to_dict())
        write_text(ctx.folder / FINDINGS_FILE, json.dumps(so_far))
        ctx.note(f"{finding.title}: {finding.status}. {finding.message} {finding.remedy}".strip())

    findings = examine(ctx.home.root, checks, job.quick, starting, ended, ctx.task.check_stop)
    ctx.task.update(len(checks), len(checks), counted(findings))
    return {"findings": so_far, "report": markdown_report(findings)}


def read_findings(folder: Path) -> list[MachineFinding]:
    """What a job has found so far; raises `UserError` for a file that cannot be read."""
    try:
        listed = json.loads(bounded_text(folder / FINDINGS_FILE))
    except ValueError:
        listed = None
    if not isinstance(listed, list):
        raise UserError("The findings are damaged.", "Check this machine again.")
    return [MachineFinding.parse(finding) for finding in listed]
