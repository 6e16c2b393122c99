"""Real jobs on the toy: a training whose adapter then answers, and answers token by token."""

import time
from pathlib import Path

from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware, detect_hardware
from workbench.core.home import Home
from workbench.doctor.machine_check import REINSTALL, CheckProbe
from workbench.doctor.toy import toy_conversations, toy_dataset, toy_model
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.jobs.job import Job, JobContext
from workbench.training.jobs.train import Train

LESSONS = 30
STEPS = 12
ANSWER_TOKENS = 24


def run_job(home: Home, job: Job) -> dict[str, object]:
    """A job as its page or command line runs it, in this process; its result. Raises `UserError`."""
    problems = Problems()
    job.check(home, problems)
    problems.check()
    folder = home.jobs / job.method
    folder.mkdir()
    return job.run(JobContext(home, folder))


def train_and_answer(probe: CheckProbe, tuner: str) -> None:
    """Trains an adapter on the toy and lets it answer; reports losses, seconds and tokens.

    Raises `UserError` when the loss does not fall, or nothing is answered.
    """
    home = Home.at(probe.scratch / "home")
    toy_model(home, lessons=LESSONS)
    toy_dataset(home)
    job = Train.parse({
        "model": "toy", "dataset": "talks", "output": "adapter", "tuner": tuner, "max_steps": STEPS, "warmup": 0,
        "objective": {"method": "sft", "learning_rate": 0.01}, "eval_every": STEPS, "checkpoint_every": STEPS,
    })  # fmt: skip
    began = time.monotonic()
    result = run_job(home, job)
    first, last = float(str(result["train_loss_first"])), float(str(result["train_loss_last"]))
    probe.fact("loss at the first step", first, "nats")
    probe.fact(f"loss at step {STEPS}", last, "nats")
    probe.fact("training took", time.monotonic() - began, "s")
    if not last < first:
        raise UserError(f"The loss did not fall in {STEPS} steps: {first:.3f} → {last:.3f}.", REINSTALL)
    hardware = detect_hardware()
    probe.fact("device", hardware.device)
    [answer] = answers(home, ["adapter"], hardware, prompts=1)
    probe.fact("answer of the adapter", len(answer[0]), "tokens")
    if not answer[0]:
        raise UserError("The trained adapter loads, but answers nothing.", REINSTALL)


def answers(home: Home, names: list[str], hardware: Hardware, prompts: int) -> list[list[list[int]]]:
    """The tokens each model answers greedily to each of so many prompts."""
    engine = Engine(home, hardware)
    for _ in engine.load(names):
        pass
    decoding = Decoding(greedy=True, max_new_tokens=ANSWER_TOKENS)
    return [
        [_tokens(engine, name, row["messages"][:1], decoding) for row in toy_conversations(prompts)] for name in names
    ]


def _tokens(engine: Engine, name: str, messages: list[dict[str, str]], decoding: Decoding) -> list[int]:
    stream = engine.answering(name).open(messages, decoding)
    while not stream.finish:
        stream.advance()
    return list(stream.generated_ids)


def shelf_home(folder: Path) -> Home:
    """A home in that folder whose shelf has the toy, taught to end its answers."""
    home = Home.at(folder)
    toy_model(home, lessons=2 * LESSONS)
    return home
