"""Uploading GGUF files of the shelf to the Hugging Face hub.

The login is the one `hf auth login` keeps, or HF_TOKEN: it is never a setting, so that no job file holds it.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.cards import render_card
from workbench.core.children import Credential
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.units import human_size
from workbench.family.front_matter import declared
from workbench.jobs.job import JOBS, Job, JobContext
from workbench.jobs.page import NO_GGUF, JobPage
from workbench.models.model_references import ModelRef, model_ref
from workbench.models.shelf import gguf_in

HOW_TO_LOG_IN = "Run `hf auth login` on this machine, or start the workbench with HF_TOKEN set; it must allow writing."


@JOBS.register
class PushGguf(Job):
    """Uploads GGUF models of the shelf into one repository of the Hugging Face hub, with a model card."""

    method: ClassVar[str] = "push-gguf"
    title: ClassVar[str] = "Push GGUF to the hub"
    uses_device: ClassVar[bool] = False
    page: ClassVar[JobPage | None] = JobPage(
        "compress", section="gguf", button="Push", order=43, fold="To the hub",
        needs=(ModelRef("gguf"), 1), empty=NO_GGUF,
    )  # fmt: skip

    repo: str = Field(
        pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", title="Repository",
        description="The hub id, such as your-name/my-model-GGUF; it is created if it does not exist.",
    )  # fmt: skip
    models: Annotated[list[str], ModelRef("gguf")] = Field(
        min_length=1, max_length=24, title="GGUF models", description="GGUF models of the shelf; each becomes one file."
    )
    private: bool = Field(
        True, title="Private", description="Make a new repository private; an existing one stays as it is."
    )

    def label(self) -> str:
        return f"Push {self.repo}"

    def facts(self, home: Home) -> list[list[str]]:
        return [["Repository", self.repo], ["Files", ", ".join(f"{name}.gguf" for name in self.models)]]

    def credentials(self) -> tuple[Credential, ...]:
        return ("hub",)

    def check(self, home: Home, problems: Problems) -> None:
        model_ref(self, "models").resolve_all(home, self.models, "models", problems)
        check_login(problems)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from huggingface_hub import HfApi

        models = [model_ref(self, "models").resolve(ctx.home, name, "models") for name in self.models]
        api, total = HfApi(), len(models) + 1
        ctx.task.update(0, total, f"Opening {self.repo}")
        try:
            url = str(api.create_repo(self.repo, private=self.private, exist_ok=True))
            for index, model in enumerate(models):
                ctx.task.check_stop()
                path, file_name = gguf_in(model.base), f"{model.name}.gguf"
                ctx.task.update(index, total, f"Uploading {file_name}, {human_size(path.stat().st_size)}")
                api.upload_file(path_or_fileobj=path, path_in_repo=file_name, repo_id=self.repo)
            ctx.task.update(total - 1, total, "Writing the model card")
            card = repository_card(self.repo, [model.base for model in models]).encode()
            api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=self.repo)
        except Exception as error:
            explanation = hub_refusal(error, self.repo)
            if explanation is None:
                raise
            raise explanation from None
        ctx.task.update(total, total, "On the hub")
        return {"repository": url, "files": [f"{model.name}.gguf" for model in models]}


def repository_card(repo: str, folders: list[Path]) -> str:
    """README.md of a repository of GGUF files: what they are, how large, and how to run one."""
    command = f"llama-cli --hf-repo {repo} --hf-file {folders[0].name}.gguf -cnv"
    return render_card("gguf_repository", front=_front(folders), repo=repo, rows=map(_row, folders), command=command)


def _row(folder: Path) -> tuple[str, str, str]:
    kind, size = read_manifest(folder).info.get("type", ""), (folder / "model.gguf").stat().st_size
    return f"{folder.name}.gguf", kind, human_size(size)


def _front(folders: list[Path]) -> dict[str, Any]:
    """What the cards of the models agree on: the models they come from, and their licence."""
    cards = [declared(folder) for folder in folders]
    front: dict[str, Any] = {"library_name": "gguf"}
    if len(licences := {card.license for card in cards}) == 1 and licences != {""}:
        front["license"] = licences.pop()
    if bases := list(dict.fromkeys(base for card in cards for base in card.base_model)):
        front |= {"base_model": bases, "base_model_relation": "quantized"}
    return {**front, "pipeline_tag": "text-generation", "tags": ["gguf", "llm-workbench"]}


def check_login(problems: Problems) -> None:
    """Adds a problem unless the hub can be written to; the token itself is not tried."""
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        problems.add("repo", "The hub is switched off here (HF_HUB_OFFLINE).", "Start the workbench without it.")
    elif not get_token():
        problems.add("repo", "There is no login for the Hugging Face hub.", HOW_TO_LOG_IN)


def hub_refusal(error: Exception, repo: str) -> UserError | None:
    """A refusal of the hub, or a hub that is not reached, in words; None for anything else."""
    from huggingface_hub import errors

    if isinstance(error, errors.HFValidationError):
        return UserError(f"{repo!r} is no hub id.", "It reads owner/name.", "repo")
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403, 404):
            return UserError(f"The hub does not let you write to {repo} ({status}).", HOW_TO_LOG_IN, "repo")
        return UserError(f"The hub answered {status}: {error}", "Try again in a while; what is there is kept.", "repo")
    if isinstance(error, errors.HTTPError | ConnectionError | errors.OfflineModeIsEnabled):
        remedy = "Check the connection, then start it again; files that are there are not sent twice."
        return UserError(f"The Hugging Face hub is not reached ({type(error).__name__}).", remedy, "repo")
    return None
