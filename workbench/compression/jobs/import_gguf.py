"""Importing a GGUF file: somebody's quantized model, checked before it is trusted with memory."""

import os
import re
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, atomic_dir, safe_join, slug, write_text
from workbench.core.lineage import Manifest, write_manifest
from workbench.core.paths import ServerPath, regular_file
from workbench.core.units import human_count, human_size
from workbench.gguf.library import knows, unavailable
from workbench.gguf.reading import Header, read_header
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.jobs.page import JobPage
from workbench.models.shelf import model_row

CHUNK_BYTES = 2**24
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@JOBS.register
class ImportGguf(Job):
    """Puts a GGUF file on the shelf, to answer in Compare and Label through llama.cpp."""

    method: ClassVar[str] = "import-gguf"
    title: ClassVar[str] = "Import a GGUF file"
    uses_device: ClassVar[bool] = False
    page: ClassVar[JobPage | None] = JobPage(
        "compress", section="gguf", button="Import", order=41, fold="Import a file",
        takes_paths=True,
    )  # fmt: skip

    path: ServerPath = Field(
        title="File", description="Path of the GGUF file; one that is split into parts has to be joined first."
    )
    name: str = Field("", title="Name", description="Its name on the shelf; empty takes the file's.")

    @property
    def source(self) -> Path:
        return Path(self.path).expanduser()

    @property
    def target(self) -> str:
        return self.name or slug(self.source.stem)

    def label(self) -> str:
        return f"Import {self.source.name}"

    def facts(self, home: Home) -> list[list[str]]:
        try:
            header = read_header(regular_file(self.source))
        except UserError as error:
            return [["File", error.message]]
        size = human_size(self.source.stat().st_size)
        return [
            ["File", f"{self.source.name}, {size}"],
            ["Model", f"{header.architecture}, {human_count(header.parameters)} weights, {header.type}"],
            ["Makes", self.target],
        ]

    def outputs(self) -> list[Output]:
        return [Output("name", "models", self.target)]

    def check(self, home: Home, problems: Problems) -> None:
        reason = unavailable()
        if reason:
            problems.add("path", "GGUF files cannot run here.", reason)
        try:
            if safe_join(home.models, self.target).exists():
                problems.add("name", f"{self.target!r} is on the shelf already.", "Choose another name.")
        except UserError as error:
            problems.collect("name", error)
        try:
            _usable(self.source)
        except UserError as error:
            problems.collect("path", error)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.gguf.modelfile import gguf_card, modelfile
        from workbench.gguf.tokenizing import tokenize

        header = _usable(self.source)
        size = self.source.stat().st_size
        ctx.task.update(0, size, "Opening it in llama.cpp")
        tokenize(self.source.resolve(), ["Hello"])
        with atomic_dir(ctx.home.models / self.target) as partial:
            _take(ctx, self.source.resolve(), partial / "model.gguf", size)
            info = read_header(partial / "model.gguf").to_dict()
            write_text(partial / "Modelfile", modelfile(header.chat_template, {}))
            write_text(partial / "README.md", gguf_card(self.target, info, size, [], [self.source.name]))
            made_by = {**self.to_dict(), "job": ctx.folder.name}
            write_manifest(partial, Manifest(kind="gguf", name=self.target, made_by=made_by, info=info))
            model_row(partial)
        ctx.task.update(size, size, "Ready")
        return {"model": self.target}


def _usable(path: Path) -> Header:
    """The header of a file that can answer here; raises `UserError` for parts, adapters and unknown models."""
    header = read_header(regular_file(path))
    parts = header.number("split.count", 1)
    if parts > 1:
        number = header.number("split.no", 0) + 1
        raise UserError(
            f"{path.name} is part {number} of {parts}.",
            "Join the parts first (llama-gguf-split --merge FIRST-PART WHOLE.gguf), then import the whole file.",
            "path",
        )
    kind = header.text("general.type")[:40] or "model"
    if kind != "model" or not NAME.fullmatch(header.architecture) or not header.tensors:
        raise UserError(f"{path.name} holds no model ({kind}).", "Choose the model itself.", "path")
    if f"{header.architecture}.pooling_type" in header.values:
        raise UserError(f"{path.name} makes embeddings, not answers.", "Choose a model that writes text.", "path")
    if not unavailable() and not knows(header.architecture):
        raise UserError(
            f"This llama.cpp has no {header.architecture!r} models.",
            "Update xllamacpp, or choose another file.",
            "path",
        )
    return header


def _take(ctx: JobContext, source: Path, target: Path, size: int) -> None:
    """A hard link where the disk allows, else a copy."""
    try:
        os.link(source, target)
        return
    except OSError:
        copied = 0
    with source.open("rb") as file, target.open("wb") as copy:
        while piece := file.read(CHUNK_BYTES):
            ctx.task.check_stop()
            copy.write(piece)
            copied += len(piece)
            ctx.task.update(copied, size, "Copying")
