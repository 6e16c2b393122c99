"""Getting a model from the Hugging Face hub."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_join, slug
from workbench.core.lineage import parent_of
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.models import hub_download
from workbench.models.adapter_judge import remember_sound
from workbench.models.model_import import check_folder, kind_info
from workbench.models.model_references import ModelRef, resolve_setting
from workbench.models.shelving import shelve


@JOBS.register
class GetHubModel(Job):
    """Downloads a model or adapter from the Hugging Face hub, pinned to a commit, safetensors only."""

    method: ClassVar[str] = "hub-model"
    title: ClassVar[str] = "Get a model from the hub"
    uses_device: ClassVar[bool] = False

    repo: str = Field(
        pattern=r"^[^/\s]+/[^/\s]+$", title="Repository",
        description="The hub id, such as HuggingFaceTB/SmolLM2-360M-Instruct.",
    )  # fmt: skip
    revision: Annotated[str, ADVANCED] = Field(
        "main", title="Revision", description="Branch, tag or commit; the commit it points at now is recorded."
    )
    name: str = Field("", title="Name", description="Its name on the shelf; empty takes the repository's.")
    base: Annotated[str, ModelRef("model")] = Field(
        "", title="Base model", description="For an adapter: the base model on the shelf."
    )

    @property
    def target(self) -> str:
        return self.name or slug(self.repo.split("/")[1])

    def label(self) -> str:
        return f"Get {self.repo}"

    def outputs(self) -> list[Output]:
        return [Output("name", "models", self.target)]

    def credentials(self) -> tuple[Credential, ...]:
        return ("hub",)

    def check(self, home: Home, problems: Problems) -> None:
        try:
            if safe_join(home.models, self.target).exists():
                problems.add("name", f"{self.target!r} is on the shelf already.", "Choose another name.")
            if self.base:
                resolve_setting(home, self, "base")
        except UserError as error:
            problems.collect("name", error)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        ctx.task.update(0, 2, f"Downloading {self.repo}")
        folder, commit = hub_download.download_model(self.repo, self.revision, ctx.folder / "download")
        ctx.task.update(1, 2, "Checking and shelving")
        check_folder(ctx.home, folder, self.base)
        adapter = (folder / "adapter_config.json").is_file()
        base = resolve_setting(ctx.home, self, "base").base if adapter else None
        parents = [parent_of(base, "base")] if base else []
        made_by = {"method": self.method, "repo": self.repo, "revision": self.revision, "commit": commit}
        kind = "adapter" if adapter else "model"
        info = kind_info(folder)
        shelve(ctx.home, self.target, folder, kind=kind, parents=parents, made_by=made_by, info=info)
        if base:
            remember_sound(ctx.home, ctx.home.models / self.target, base)
        ctx.task.update(2, 2, "Ready")
        return {"model": self.target}
