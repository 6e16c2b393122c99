"""Carries out a training job: load, train with TRL, save the adapter whole or not at all."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data import shelf as datasets
from workbench.data.templates import get_template
from workbench.home import writing
from workbench.jobs.job import JobContext, JobStopped
from workbench.lineage import Manifest, parent_of, read_manifest, write_manifest
from workbench.models.shelf import Resolved, model_folder, resolve
from workbench.training.objective import Setup

if TYPE_CHECKING:
    from workbench.jobs.kinds.train import Train

KEPT_FILES = ("adapter_model.safetensors", "adapter_config.json", "trainer_state.json")


def train(job: "Train", ctx: JobContext) -> dict[str, Any]:
    """Trains and returns the result: the adapter's name, steps, first and last losses."""
    from transformers import set_seed

    from workbench.hardware import remember
    from workbench.models.loading import load_tokenizer

    set_seed(job.seed)  # the fresh adapter's weights are drawn before the trainer seeds its own work
    hardware = remember(ctx.home)
    source = resolve(ctx.home, job.model)
    ctx.progress(0, 0, f"Loading {job.model} on {hardware.device}")
    tokenizer = load_tokenizer(source.home_of_template)
    model = job.tuner.load(source.base, source.adapter, hardware)  # type: ignore[attr-defined]
    ctx.progress(0, 0, f"Reading {job.dataset}")
    rows = _rows(job, ctx)
    setup = Setup(
        model=model,
        tokenizer=tokenizer,
        template=get_template(job.template, source.home_of_template),
        folder=source.home_of_template,
        rows=rows,
        kind=datasets.dataset_kind(ctx.home, job.dataset),
        max_length=job.max_length,
        arguments=job.trainer_arguments(ctx.folder / "checkpoints", hardware, "eval" in rows),
    )
    trainer = job.objective.trainer(setup)  # type: ignore[attr-defined]
    for note in setup.notes:
        ctx.note(note)
    return _fit(job, ctx, trainer, setup, source)


def _rows(job: "Train", ctx: JobContext) -> dict[str, list[dict[str, Any]]]:
    rows = {"train": datasets.all_rows(ctx.home, job.dataset, "train")}
    if datasets.count(ctx.home, job.dataset, "eval"):
        rows["eval"] = datasets.all_rows(ctx.home, job.dataset, "eval")
    return rows


def _fit(job: "Train", ctx: JobContext, trainer: Any, setup: Setup, source: Resolved) -> dict[str, Any]:
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from workbench.training.report import Report

    report = Report(ctx)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(report)
    checkpoint = last_checkpoint(ctx.folder / "checkpoints") if ctx.resume else None
    if ctx.resume:
        step = int(checkpoint.name.split("-")[-1]) if checkpoint else -1
        ctx.events.append("rewind", step=step)
        ctx.note(f"Going on from step {step}." if checkpoint else "No checkpoint was left; starting again.")
        trainer.args.eval_on_start = trainer.args.eval_on_start and not checkpoint
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if report.stop == "discard":
        shutil.rmtree(ctx.folder / "checkpoints", ignore_errors=True)
        raise JobStopped({"stopped_at": trainer.state.global_step})
    if not report.stop and setup.rows.get("eval") and not _just_evaluated(trainer):
        trainer.evaluate()
    result = {"model": job.output_name, "steps": trainer.state.global_step, **losses(trainer.state.log_history)}
    ctx.progress(trainer.state.global_step, trainer.state.max_steps, "Saving the adapter")
    _save(job, ctx, trainer, setup, source, result)
    if report.stop:
        raise JobStopped(result)
    thin_out(ctx.folder / "checkpoints", job.keep_checkpoints)
    return result


def _just_evaluated(trainer: Any) -> bool:
    evaluated = [entry["step"] for entry in trainer.state.log_history if "eval_loss" in entry]
    return bool(evaluated) and evaluated[-1] == trainer.state.global_step


def losses(history: list[dict[str, Any]]) -> dict[str, float]:
    """First and last train and eval loss, and for DPO the last margins and accuracies."""
    result: dict[str, float] = {}
    for key, name in (("loss", "train_loss"), ("eval_loss", "eval_loss")):
        values = [entry[key] for entry in history if key in entry]
        if values:
            result |= {f"{name}_first": round(values[0], 4), f"{name}_last": round(values[-1], 4)}
    for key in ("rewards/margins", "rewards/accuracies", "eval_rewards/margins", "eval_rewards/accuracies"):
        values = [entry[key] for entry in history if key in entry]
        if values:
            result[key] = round(values[-1], 4)
    return result


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints, oldest first. The trainer writes trainer_state.json last: without it one was torn."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[-1]))
    return [path for path in found if _is_complete(path)]


def _is_complete(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return True


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint."""
    return next(reversed(checkpoints(folder)), None)


def thin_out(folder: Path, keep: int) -> None:
    """Leaves the adapters of the last `keep` checkpoints; the optimizer's state, by far the most of it, goes."""
    kept = checkpoints(folder)[-keep:] if keep else []
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)
        return
    inside = [part for checkpoint in kept for part in checkpoint.iterdir() if part.name not in KEPT_FILES]
    for path in [*(path for path in folder.iterdir() if path not in kept), *inside]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _made_by(target: Path, ctx: JobContext) -> bool:
    """Whether the artifact there is this job's own, kept when it was stopped; another's is never replaced."""
    return target.exists() and read_manifest(target).made_by.get("job") == ctx.folder.name


def _save(job: "Train", ctx: JobContext, trainer: Any, setup: Setup, source: Resolved, result: dict[str, Any]) -> None:
    """Writes the adapter with the tokenizer and the chat template it was trained with."""
    base = model_folder(ctx.home, source.base.name)
    parents = [parent_of(base, "base"), parent_of(ctx.home.datasets / job.dataset, "dataset")]
    if source.adapter:
        parents.append(parent_of(source.adapter, "start"))
    target = ctx.home.models / job.output_name
    with writing(target, replace=ctx.resume and _made_by(target, ctx)) as partial:
        trainer.model.save_pretrained(partial, selected_adapters=["default"])
        setup.tokenizer.chat_template = setup.template.text
        setup.tokenizer.save_pretrained(partial)
        (partial / "README.md").unlink(missing_ok=True)  # peft's empty card; the manifest says more
        made_by = {**job.to_dict(), "job": ctx.folder.name}
        manifest = Manifest(kind="adapter", name=job.output_name, parents=parents, made_by=made_by, info=result)
        write_manifest(partial, manifest)
