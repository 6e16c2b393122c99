"""The check of a job before it starts: what is wrong, and of a training what it takes and cuts off."""

from typing import Annotated, Any

from workbench.cli.jobs import JobFile, Settings, job_of_file
from workbench.cli.shared import Invoked, option, show
from workbench.core.errors import Problems, UserError
from workbench.core.formats import JOB_FORMAT
from workbench.core.spec import dump_yaml
from workbench.core.units import human_size
from workbench.training.jobs.train import Train
from workbench.training.memory_fit import fitted
from workbench.training.preflight import preflight

PARTS = {
    "weights": "weights", "gradients": "gradients", "optimizer": "optimizer", "activations": "activations",
    "logits": "logits and loss", "other": "other models", "heap": "gaps in the heap", "rest": "the rest",
}  # fmt: skip


def check(
    job: JobFile,
    /,
    *,
    set_: Settings = (),
    fit: Annotated[bool, option("write the settings of a training with which it fits into memory, as YAML")] = False,
    invoked: Invoked,
) -> None:
    """What is wrong with the job of a file, and of a training what it takes and cuts off; starts nothing."""
    checked = job_of_file(job, set_)
    if fit:
        _write_fitting(invoked, checked)
        return
    problems = Problems()
    checked.check(invoked.home, problems)
    problems.check()
    facts = preflight(invoked.home, checked) if isinstance(checked, Train) else {}
    show(invoked, facts, "\n".join(_lines(facts)) if facts else "Nothing is wrong with it.")


def _write_fitting(invoked: Any, job: Any) -> None:
    if not isinstance(job, Train):
        raise UserError(f"{job.title} has no settings that are changed to fit.", "Leave --fit out.", "fit")
    found = fitted(invoked.home, job)
    notes = [f"# {one.setting}: {one.before} → {one.after}. {one.reason}" for one in found.changes]
    settings = JOB_FORMAT.stamp(found.job.to_dict())
    show(invoked, found.to_dict(), "\n".join([*(notes or ["# It fits as it is."]), dump_yaml(settings)]))


def _lines(facts: dict[str, Any]) -> list[str]:
    memory, disk, rows = facts["memory"], facts["disk"], facts["rows"]
    verdict = "fits" if memory["fits"] else "does not fit; --fit writes settings that do"
    lines = [
        f"Memory: {human_size(memory['total'])} of {human_size(memory['free'])} free "
        f"({human_size(memory['device_total'])} in all): it {verdict}.",
        *(f"  {PARTS[name]}: {human_size(size)}" for name, size in memory["parts"].items() if size),
        f"Disk: {human_size(disk['needed'])} of {human_size(disk['free'])} free.",
    ]
    return [*lines, *row_sentences(rows), *([facts["folding"]] if facts["folding"] else [])]


def row_sentences(rows: dict[str, Any]) -> list[str]:
    """What was found in the rows that were looked at."""
    of = f"{rows['looked_at']:,} rows"
    if rows["looked_at"] < rows["rows"]:
        of += f" looked at, of {rows['rows']:,},"
    cut = f"Rows: {rows['cut']:,} of {of} are cut off ({rows['share']:.1%})"
    length = f"; a maximum length of {rows['longest']:,} would cut none." if rows["cut"] else "."
    return [
        cut + length,
        *(f"Left out {count:,}: {reason}" for reason, count in rows["left_out"]),
        *(f"Found in {count:,}: {kind}." for kind, count in rows["warnings"]),
        *rows["findings"],
    ]
