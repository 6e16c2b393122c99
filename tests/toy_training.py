"""Trainings of toys: whole jobs carried out in the test's process, and trainers that are only built."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.running import carry
from tests.toys import EXACT
from workbench.core.home import Home
from workbench.data.encoding.cache import encoded_rows
from workbench.data.store import datasets
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import execute_job
from workbench.models.loading import load_tokenizer
from workbench.models.model_references import resolve
from workbench.rendering.templates import get_template
from workbench.training.jobs.train import Train
from workbench.training.objective import Setup
from workbench.training.report import Report
from workbench.training.run import bins_of_job, load_frozen


def job(**settings: Any) -> Train:
    """A training job of two steps of SFT on 'talks', unless the settings say otherwise."""
    common = {"model": "toy", "dataset": "talks", "max_steps": 2, "batch_size": 2, "warmup": 0}
    return Train.parse({**common, "objective": {"method": "sft", "learning_rate": 0.01}, **settings})


def train(home: Home, output: str, **settings: Any) -> JobRecord:
    """Such a job, carried out here; fails if it does not end well."""
    return carry(home, job(output=output, **settings))


def ended_and_resumed(home: Home, job: Train, step: int) -> JobRecord:
    """A job that fails at the end of that step and is resumed, carried out here."""
    queue, before = Queue(home), signal.getsignal(signal.SIGTERM)
    job_id = queue.submit(job)
    usual = Report.on_step_end

    def ending(self: Report, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == step:
            raise RuntimeError("ended")
        usual(self, args, state, control, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Report, "on_step_end", ending)
        execute_job(home, queue.get(job_id).folder)
    queue.resume(job_id)
    execute_job(home, queue.get(job_id).folder)
    signal.signal(signal.SIGTERM, before)
    return queue.get(job_id)


def setup_for(home: Home, folder: Path, batch_size: int = 3, dataset: str = "talks", **given: Any) -> Setup:
    """What a trainer gets; `given` are settings of the job, the objective and the model (toy+taught) among them."""
    source = resolve(home, given.pop("model", "taught"))
    job = Train.parse({"model": source.name, "dataset": dataset, "batch_size": batch_size, **given})
    template = get_template(job.template, source.home_of_template)
    rules = job.objective.rules(datasets.dataset_kind(home, dataset), template, job.max_length)
    encoded = {
        split: encoded_rows(home, dataset, split, source.home_of_template, rules)
        for split in ("train", "eval")
        if datasets.count(home, dataset, split)
    }
    bins = bins_of_job(job, encoded["train"])
    counts = {split: len(rows) for split, rows in encoded.items()} | ({"train": len(bins)} if bins else {})
    return Setup(
        model=job.tuner.load(source.base, source.adapter, EXACT),
        tokenizer=load_tokenizer(source.home_of_template),
        encoded=encoded,
        max_length=job.max_length,
        arguments=job.trainer_arguments(folder, EXACT, counts),
        batching=job.batching,
        bins=bins,
        models={role: load_frozen(needed, EXACT) for role, needed in job.objective.models_needed(home, source).items()},
    )
