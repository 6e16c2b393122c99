"""job.yaml: the settings of a job, with the version of its form."""

from pathlib import Path

from workbench.core.formats import JOB_FORMAT
from workbench.core.limits import bounded_text
from workbench.core.spec import dump_yaml, load_yaml
from workbench.jobs.job import JOBS, Job

JOB_FILE = JOB_FORMAT.file_name


def job_yaml(job: Job) -> str:
    """The text of a job's file."""
    return dump_yaml(JOB_FORMAT.stamp(job.to_dict()))


def read_job(folder: Path) -> Job:
    """The job in a folder, written by this version or an earlier one; raises `UserError` when it cannot be read."""
    return JOBS.parse(JOB_FORMAT.upgrade(load_yaml(bounded_text(folder / JOB_FILE)), folder.name))
