"""Uploading a dataset of the shelf to the Hugging Face hub, as Parquet with a card, in one commit.

The login is the one `hf auth login` keeps, or HF_TOKEN: it is never a setting, so that no job file holds it.
"""

import shutil
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, write_text
from workbench.core.units import human_size
from workbench.data.store.dataset_reference import DatasetRef, resolve_dataset
from workbench.family.jobs.push_gguf import check_login, hub_refusal
from workbench.jobs.job import JOBS, Job, JobContext


@JOBS.register
class PushDataset(Job):
    """Uploads a dataset of the shelf to the Hugging Face hub: Parquet files and a dataset card."""

    method: ClassVar[str] = "push-dataset"
    title: ClassVar[str] = "Push a dataset to the hub"
    uses_device: ClassVar[bool] = False

    repo: str = Field(
        pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", title="Repository",
        description="The hub id, such as your-name/my-dataset; it is created if it does not exist.",
    )  # fmt: skip
    dataset: Annotated[str, DatasetRef()] = Field(title="Dataset", description="The dataset of the shelf.")
    private: bool = Field(
        True, title="Private", description="Make a new repository private; an existing one stays as it is."
    )
    license: str = Field(
        "", pattern=r"^[\w.-]{0,60}$", title="Licence",
        description="The licence the card names, such as apache-2.0; empty names none.",
    )  # fmt: skip

    def label(self) -> str:
        return f"Push {self.repo}"

    def facts(self, home: Home) -> list[list[str]]:
        return [["Repository", f"datasets/{self.repo}"], ["Dataset", self.dataset]]

    def credentials(self) -> tuple[Credential, ...]:
        return ("hub",)

    def check(self, home: Home, problems: Problems) -> None:
        try:
            resolve_dataset(home, self, "dataset")
        except UserError as error:
            problems.collect("dataset", error)
        check_login(problems)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from huggingface_hub import HfApi

        folder = ctx.folder / "upload"
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier try
        try:
            files = self._written(ctx, folder)
            ctx.task.check_stop()
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            ctx.task.update(1, 2, f"Uploading {human_size(size)} to {self.repo}")
            api = HfApi()
            url = str(api.create_repo(self.repo, repo_type="dataset", private=self.private, exist_ok=True))
            api.upload_folder(
                repo_id=self.repo, repo_type="dataset", folder_path=folder, delete_patterns=["data/*"],
                commit_message=f"{self.dataset}, from LLM Workbench",
            )  # fmt: skip
        except Exception as error:
            explanation = hub_refusal(error, self.repo)
            if explanation is None:
                raise
            raise explanation from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        ctx.task.update(2, 2, "On the hub")
        return {"repository": url, "files": [*files.values(), "README.md"]}

    def _written(self, ctx: JobContext, folder: Path) -> dict[str, str]:
        """The folder as it is uploaded; its data files by split."""
        from workbench.data.exports.export import write_export
        from workbench.data.exports.formats.parquet import Parquet
        from workbench.family.dataset_card import dataset_card

        export = write_export(ctx.home, self.dataset, Parquet(), folder / "data", task=ctx.task.part(0, 0.5))
        for path in export.settings:
            path.unlink()
        files = {split: f"data/{split}.parquet" for split in export.data}
        for split, path in export.data.items():
            path.rename(folder / files[split])
        card = dataset_card(ctx.home, self.dataset, self.repo, self.license, files, export.uses)
        write_text(folder / "README.md", card)
        return files
