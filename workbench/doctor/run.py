"""Carries out the job that checks this machine."""

from typing import Any

from workbench.doctor.examination import chosen_checks, examine
from workbench.doctor.finding import MachineFinding
from workbench.doctor.jobs.doctor import Doctor
from workbench.doctor.machine_check import Check
from workbench.doctor.machine_report import counted, markdown_report
from workbench.jobs.job import JobContext


def run(job: Doctor, ctx: JobContext) -> dict[str, Any]:
    """Runs the checks; the result has `findings`, and `report` as Markdown."""
    checks = chosen_checks(job.checks)

    def starting(check: type[Check], index: int) -> None:
        ctx.task.update(index, len(checks), check.title)

    def end(finding: MachineFinding) -> None:
        ctx.note(f"{finding.title}: {finding.status}. {finding.message} {finding.remedy}".strip())

    findings = examine(ctx.home.root, checks, job.quick, starting, end, ctx.task.check_stop)
    ctx.task.update(len(checks), len(checks), counted(findings))
    return {"findings": [finding.to_dict() for finding in findings], "report": markdown_report(findings)}
