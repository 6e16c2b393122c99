"""Carries out a training job: load, train with TRL, save the adapter or model whole or not at all."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware, detect_and_cache
from workbench.core.home import atomic_dir
from workbench.core.lineage import Manifest, Parent, parent_of, read_manifest, write_manifest
from workbench.data.encoding.batches import Tally
from workbench.data.encoding.cache import EncodedRows, encoded_rows
from workbench.data.store import datasets
from workbench.jobs.events import JobState
from workbench.jobs.job import JobContext, JobPaused, JobStopped
from workbench.models.chat_tokens import copy_tokenizer
from workbench.models.folding import folded
from workbench.models.model_references import Resolved, resolve_setting
from workbench.rendering.templates import Template, get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.training.checkpoints import last_checkpoint, thin_checkpoints
from workbench.training.jobs.train import Train
from workbench.training.lora_targets import layers_sentence
from workbench.training.objective import Setup
from workbench.training.pair_margins import pair_margins

if TYPE_CHECKING:
    from workbench.training.best_weights import BestWeights

FOLDED = "folded"
NO_EVALUATION = "No eval row can be used, so this run has no evaluation. Raise the maximum length, or mend those rows."


@dataclass
class PreparedTraining:
    """A trainer that is ready to train, and what it was made of: `start` is what was loaded, of `source`."""

    trainer: Any
    setup: Setup
    source: Resolved
    start: Resolved


def train(job: Train, ctx: JobContext) -> dict[str, Any]:
    """Trains and returns the result: the new name, steps, first and last losses."""
    return _fit(job, ctx, prepare_training(job, ctx))


def prepare_training(job: Train, ctx: JobContext) -> PreparedTraining:
    """Encodes the rows, loads the model and makes the trainer with its optimizer."""
    from transformers import set_seed

    from workbench.models.loading import load_tokenizer
    from workbench.models.tokenizer_check import check_tokenizer
    from workbench.training.trained_weights import make_deterministic, optimize

    job.set_tracker_folders(ctx.folder)
    set_seed(job.seed)  # the fresh adapter's weights are drawn before the trainer seeds its own work
    hardware = job.in_precision(detect_and_cache(ctx.home))
    if job.deterministic:
        make_deterministic()
    source = resolve_setting(ctx.home, job, "model")
    template = get_template(job.template, source.home_of_template)
    check_tokenizer(source.home_of_template, template, "model", ctx.note, source.base)
    encoded = _encoded(job, ctx, source, template)  # before the model is loaded: it may be that nothing can be learned
    bins = bins_of_job(job, encoded["train"])
    counts = {split: len(rows) for split, rows in encoded.items()} | ({"train": len(bins)} if bins else {})
    start = job.tuner.start(source, lambda resolved: folded(ctx, resolved, ctx.folder / FOLDED))
    ctx.task.update(0, 0, f"Loading {job.model} on {hardware.device}")
    setup = Setup(
        model=job.tuner.load(start.base, start.adapter, hardware),
        tokenizer=load_tokenizer(source.home_of_template),
        encoded=encoded,
        max_length=job.max_length,
        arguments=job.trainer_arguments(ctx.folder / "checkpoints", hardware, counts),
        notes=_notes(job, source, counts["train"]),
        batching=job.batching,
        fused_loss=job.fused_loss,
        bins=bins,
    )
    if job.objective.uses_margins:
        setup.margins = pair_margins(ctx.home, job.dataset, encoded)
    for role, needed in job.objective.models_needed(ctx.home, source).items():
        ctx.task.update(0, 0, f"Loading the {role}")
        setup.models[role] = load_frozen(needed, hardware)
    setup.tokenizer.chat_template = template.text
    if targets := job.tuner.chosen(setup.model):
        setup.notes += [": ".join(fact) for fact in job.tuner.facts(source.base, source.adapter)]
        setup.notes.append(layers_sentence(targets))
    trainer = job.objective.trainer(setup)
    optimize(trainer, job.optimizer, job.decay)
    _note_once(ctx, setup.notes)
    return PreparedTraining(trainer, setup, source, start)


def remove_folded(ctx: JobContext) -> None:
    """Removes the whole model that was made of an adapter to start from."""
    shutil.rmtree(ctx.folder / FOLDED, ignore_errors=True)


def bins_of_job(job: Train, rows: EncodedRows) -> list[list[int]] | None:
    """The rows of each sequence of at most the maximum length, where rows are packed into such."""
    from workbench.training.ordering import bins_of, row_lengths

    return bins_of(row_lengths(rows.table).tolist(), job.max_length) if job.batching == "packed" else None


def load_frozen(source: Resolved, hardware: Hardware) -> Any:
    """A model, with its adapter if it has one, that answers and is not trained."""
    from workbench.models.loading import load_whole

    model = load_whole(source.base, source.adapter, hardware)
    return model.eval().requires_grad_(False)


def _encoded(job: Train, ctx: JobContext, source: Resolved, template: Template) -> dict[str, EncodedRows]:
    """The rows to learn from by split, a split that has none left out; says what became of the others.

    Raises `UserError` when there is nothing to train on.
    """
    rules = job.objective.rules(datasets.dataset_kind(ctx.home, job.dataset), template, job.max_length)
    encoded: dict[str, EncodedRows] = {}
    for split in ("train", "eval"):
        if split == "eval" and not datasets.count(ctx.home, job.dataset, split):
            continue
        ctx.task.update(0, 0, f"Encoding the {split} rows of {job.dataset}")
        folder = source.home_of_template
        rows = encoded_rows(ctx.home, job.dataset, split, folder, rules, ctx.task)
        _note_once(ctx, rows.tally.sentences(split))
        if len(rows):
            encoded[split] = rows
        elif split == "train":
            raise _nothing_to_learn(rows.tally)
        elif job.keeps_best:
            raise _nothing_to_evaluate(rows.tally)
        else:
            _note_once(ctx, [NO_EVALUATION])
    return encoded


def _note_once(ctx: JobContext, notes: list[str]) -> None:
    """Notes what was not noted before the job was resumed."""
    noted = {event["text"] for event in ctx.events.read()[0] if event["type"] == "note"}
    for note in notes:
        if note not in noted:
            ctx.note(note)


def _nothing_to_learn(tally: Tally) -> UserError:
    reason = tally.reasons[0][0] if tally.reasons else "The dataset is empty."
    return UserError(
        f"None of the {tally.rows:,} rows can be learned from. {reason}",
        "Raise the maximum length, choose another template, or look at 'what the model sees'.",
        "dataset",
    )


def _nothing_to_evaluate(tally: Tally) -> UserError:
    return UserError(
        f"None of the {tally.rows:,} eval rows can be used to tell the best weights by.",
        "Raise the maximum length, mend those rows, or turn early stopping and the best evaluation off.",
        "dataset",
    )


def _notes(job: Train, source: Resolved, rows: int) -> list[str]:
    notes = job.tuner.remarks(source.base)
    steps = job.total_steps(rows)
    if job.warmup and not job.steps_of_warmup(steps):
        run = "the only step" if steps == 1 else f"{steps} steps"
        notes.append(f"A warm-up of {job.warmup:.0%} is too short for {run}: the learning rate starts at its highest.")
    return notes


def _fit(job: Train, ctx: JobContext, prepared: PreparedTraining) -> dict[str, Any]:
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from workbench.training.account import Account
    from workbench.training.best_weights import BestWeights
    from workbench.training.report import Report

    trainer, setup, source = prepared.trainer, prepared.setup, prepared.source
    report, account = Report(ctx, trainer.beginnings), Account()
    best = BestWeights.of(job, ctx.folder) if job.keeps_best else None
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(account)
    trainer.add_callback(report)
    if job.sample_prompts:
        trainer.add_callback(_sampler(job, ctx, trainer, source, account))
    if best:
        trainer.add_callback(best)
    _train(job, ctx, trainer, best)
    if report.stop == "pause":
        raise JobPaused({"paused_at": trainer.state.global_step})
    if report.stop == "discard":
        for name in ("checkpoints", FOLDED):
            shutil.rmtree(ctx.folder / name, ignore_errors=True)
        if best:
            best.remove()
        raise JobStopped({"stopped_at": trainer.state.global_step})
    if not report.stop and "eval" in setup.encoded and not _just_evaluated(trainer):
        trainer.evaluate()
    kept = best.keep(trainer, ctx.note) if best else {}
    result = {
        "model": job.output_name,
        "steps": trainer.state.global_step,
        **losses_of(trainer.state.log_history),
        "account": account.result(),
        **({"kept": kept} if kept else {}),
        **({"loss_code": setup.loss_code} if setup.loss_code else {}),
        **({"used": used} if (used := state_of(ctx).used) else {}),
        **({"targets": targets} if (targets := job.tuner.chosen(setup.model)) else {}),
        "rows": {split: rows.tally.summary() for split, rows in setup.encoded.items()},
    }
    ctx.task.update(trainer.state.global_step, trainer.state.max_steps, f"Saving the {job.tuner.makes}")
    _save(job, ctx, trainer, source, prepared.start, result)
    if report.stop:
        raise JobStopped(result)
    remove_folded(ctx)
    if best:
        best.remove()
    thin_checkpoints(ctx.folder / "checkpoints", job.keep_checkpoints)
    return result


def state_of(ctx: JobContext) -> JobState:
    """What the job's events say so far."""
    state = JobState()
    for event in ctx.events.read()[0]:
        state.add(event)
    return state


def _train(job: Train, ctx: JobContext, trainer: Any, best: "BestWeights | None") -> None:
    """Trains to the end, to a stop or to an early one; a resumed job goes on from its last checkpoint."""
    from workbench.training.finiteness import NotFinite
    from workbench.training.out_of_memory import take_batch, train_in_memory

    checkpoint = last_checkpoint(ctx.folder / "checkpoints") if ctx.resume else None
    if ctx.resume:
        step = int(checkpoint.name.split("-")[-1]) if checkpoint else -1
        ctx.events.append("rewind", step=step)
        ctx.note(f"Going on from step {step}." if checkpoint else "No checkpoint was left; starting again.")
        trainer.args.eval_on_start = trainer.args.eval_on_start and not checkpoint
        in_use = job.batch_in_use(state_of(ctx).used)
        if in_use != (job.batch_size, job.gradient_accumulation):
            take_batch(trainer, *in_use)
            ctx.note(f"The batch stays at {in_use[0]} rows at a time, added up over {in_use[1]} passes, as before.")
    try:
        if not (best and checkpoint and best.had_ended_at(checkpoint, trainer)):
            train_in_memory(trainer, checkpoint, ctx)
    except NotFinite:
        rows = "".join(f"\n· {row}" for row in trainer.beginnings())
        ctx.alarm("not finite", trainer.state.global_step, f"The rows of the last step begin:{rows}")
        raise


def _sampler(job: Train, ctx: JobContext, trainer: Any, source: Resolved, account: Any) -> Any:
    """The callback that answers the sample prompts, with the template the run trains with."""
    from workbench.models.chat_tokens import stop_ids
    from workbench.training.samples import SamplePrompts, Sampler

    folder = source.home_of_template
    template = get_template(job.template, folder)
    is_text = datasets.dataset_kind(ctx.home, job.dataset) == "text"
    prompts = SamplePrompts.of(
        job.sample_prompts, Tokenizer.load(folder), None if is_text else template, stop_ids(folder, template),
        job.sample_tokens,
    )  # fmt: skip
    return Sampler(ctx, trainer, prompts, job.sample_every, account)


def _just_evaluated(trainer: Any) -> bool:
    evaluated = [entry["step"] for entry in trainer.state.log_history if "eval_loss" in entry]
    return bool(evaluated) and evaluated[-1] == trainer.state.global_step


def losses_of(history: list[dict[str, Any]]) -> dict[str, float]:
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


def _made_by(target: Path, ctx: JobContext) -> bool:
    """Whether the artifact there is this job's own, kept when it was stopped; another's is never replaced."""
    return target.exists() and read_manifest(target).made_by.get("job") == ctx.folder.name


def _parents(job: Train, ctx: JobContext, source: Resolved) -> list[Parent]:
    """What the result was made from."""
    first, *others = job.tuner.parents(source)
    needed = job.objective.models_needed(ctx.home, source)
    return [
        first,
        parent_of(ctx.home.datasets / job.dataset, "dataset"),
        *others,
        *(parent_of(model.adapter or model.base, role) for role, model in needed.items()),
    ]


def _save(job: Train, ctx: JobContext, trainer: Any, source: Resolved, start: Resolved, result: dict[str, Any]) -> None:
    """Writes the adapter or model with the tokenizer and the chat template it was trained with."""
    from workbench.models.tokenizer_check import check_tokenizer

    tuner, target, info = job.tuner, ctx.home.models / job.output_name, dict(result)
    with atomic_dir(target, replace=ctx.resume and _made_by(target, ctx)) as partial:
        info |= tuner.save(trainer.model, start.base, partial)
        copy_tokenizer(source.home_of_template, partial, get_template(job.template, source.home_of_template))
        check_tokenizer(partial, field="model", note=print, base=tuner.base_of_result(source.base))
        tuner.complete(partial)
        (partial / "README.md").unlink(missing_ok=True)  # peft's empty card; the manifest says more
        made_by = {**job.to_dict(), "job": ctx.folder.name}
        parents = _parents(job, ctx, source)
        write_manifest(
            partial, Manifest(kind=tuner.makes, name=job.output_name, parents=parents, made_by=made_by, info=info)
        )
    for note in tuner.judged(ctx.home, source.base, target):
        ctx.note(note)
