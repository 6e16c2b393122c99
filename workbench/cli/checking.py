"""The check of a job before it starts: what is wrong, and of a training what it takes and cuts off."""

from typing import Annotated, Any

from workbench.cli.jobs import JobFile, job_of_file
from workbench.cli.progress import shown_progress
from workbench.cli.shared import Invoked, option, several, show
from workbench.core.errors import Problems, UserError
from workbench.core.formats import JOB_FORMAT
from workbench.core.spec import dump_yaml
from workbench.core.units import human_size
from workbench.training.jobs.train import Train
from workbench.training.memory_fit import fitting_job
from workbench.training.preflight import preflight
from workbench.training.preflight_words import PART_TITLES, disk_sentence, memory_sentence, row_sentences


def check(
    job: JobFile,
    /,
    *,
    set_: Annotated[tuple[str, ...], several("settings, such as tuner.r=32", "NAME=VALUE")] = (),
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
    facts = _preflight_facts(invoked, checked) if isinstance(checked, Train) else {}
    show(invoked, facts, "\n".join(_lines(facts)) if facts else "Nothing is wrong with it.")


def _preflight_facts(invoked: Any, job: Train) -> dict[str, Any]:
    with shown_progress("Looking at the rows") as task:
        return preflight(invoked.home, job, task)


def _write_fitting(invoked: Any, job: Any) -> None:
    if not isinstance(job, Train):
        raise UserError(f"{job.title} has no settings that are changed to fit.", "Leave --fit out.", "fit")
    found = fitting_job(invoked.home, job)
    notes = [f"# {one.setting}: {one.before} → {one.after}. {one.reason}" for one in found.changes]
    settings = JOB_FORMAT.stamp(found.job.to_dict())
    show(invoked, found.to_dict(), "\n".join([*(notes or ["# It fits as it is."]), dump_yaml(settings)]))


def _lines(facts: dict[str, Any]) -> list[str]:
    memory, disk = facts["memory"], facts["disk"]
    lines = [
        memory_sentence(memory) + ("" if memory["fits"] else " --fit writes settings that do."),
        *(f"  {PART_TITLES[name]}: {human_size(size)}" for name, size in memory["parts"].items() if size),
        disk_sentence(disk),
    ]
    return [*lines, *row_sentences(facts["rows"]), *([facts["folding"]] if facts["folding"] else [])]
