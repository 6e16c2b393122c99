"""A backup of the home, kept in the home itself."""

from typing import Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.core.units import human_size
from workbench.jobs.job import JOBS, Job, JobContext
from workbench.jobs.page import JobPage


@JOBS.register
class BackUp(Job):
    """Writes one archive of the home into its folder of backups, while everything stays in use."""

    method: ClassVar[str] = "backup"
    title: ClassVar[str] = "Make a backup"
    uses_device: ClassVar[bool] = False
    page: ClassVar[JobPage | None] = JobPage("overview", button="Make a backup", by_hand=True)

    with_models: bool = Field(
        False, title="With the weights of large models",
        description="Takes models above 64 MB along that are no adapters. They can be large, and most can be made or "
        "downloaded again.",
    )  # fmt: skip

    def credentials(self) -> tuple[Credential, ...]:
        return ("labels",)

    def facts(self, home: Home) -> list[list[str]]:
        return [["Weights of large models", "in it" if self.with_models else "left out"]]

    def check(self, home: Home, problems: Problems) -> None:
        from workbench.backup.kept_backups import plan_backup

        plan = plan_backup(home, self.with_models)
        if not plan.fits:
            text = f"may need {human_size(plan.size)}, and {human_size(plan.free)} are free."
            problems.add("with_models", text, "Free some room, or leave the weights of large models out.")

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.backup.backup_writer import write_backup
        from workbench.backup.kept_backups import backup_folder, remove_unfinished

        folder = backup_folder(ctx.home)
        folder.mkdir(mode=0o700, exist_ok=True)
        remove_unfinished(ctx.home)
        done = write_backup(ctx.home, folder, ctx.task, self.with_models)
        return {
            "file": done.file.name, "size": done.size, "sha256": done.sha256, "votes": done.facts.votes,
            "left_out": [one.name for one in done.facts.left_out],
        }  # fmt: skip
