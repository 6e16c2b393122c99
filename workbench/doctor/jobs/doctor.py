"""Checking this machine from the page."""

from typing import Annotated, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.jobs.job import JOBS, Job
from workbench.jobs.page import JobPage


@JOBS.register
class Doctor(Job):
    """Proves what works on this machine by doing it, and says what to do about what does not."""

    method: ClassVar[str] = "doctor"
    runs: ClassVar[str] = "workbench.doctor.run:run"
    title: ClassVar[str] = "Check this machine"
    page: ClassVar[JobPage | None] = JobPage("overview", button="Check this machine", by_hand=True)

    quick: bool = Field(
        False, title="Quick look", description="Leave out what takes longer than a few seconds: trainings and GGUF."
    )
    checks: Annotated[list[str], ADVANCED] = Field(
        default_factory=list, title="Checks", description="Names of the checks to run; none runs them all."
    )

    def facts(self, home: Home) -> list[list[str]]:
        return [["Checks", ", ".join(self.checks) or ("the quick ones" if self.quick else "all")]]

    def check(self, home: Home, problems: Problems) -> None:
        from workbench.doctor.examination import chosen_checks

        try:
            chosen_checks(self.checks)
        except UserError as error:
            problems.collect("checks", error)
