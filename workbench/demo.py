"""The whole loop without a person: `python -m workbench demo`.

Sample data → LoRA SFT → base against tuned on fresh prompts → votes by a stated rule → DPO on the votes →
tuned against DPO on prompts neither has seen → report. Every stage is the same job the page starts.

Each model answers every prompt several times, and its own answers meet too. DPO learns from those pairs: from
base against tuned, which differ in every token, this small model only learned to break (win rate 49 % and falling
with more steps), from its own better and worse answers it learned to keep to the manner.
"""

import json
import tempfile
import time
from collections.abc import Callable
from typing import Any

from workbench.data.importing import import_sample
from workbench.home import Home
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue, job_result
from workbench.jobs.runner import Runner
from workbench.models import starter
from workbench.preferences.export import export_dataset
from workbench.preferences.judges import FIELD_GUIDE, vote_by_rule
from workbench.preferences.summary import report

BASE, TUNED, PREFERRED = starter.NAME, "field-guide-sft", "field-guide-dpo"

# Short on purpose: after 20 steps the model keeps to the manner half of the time, so that votes can teach the rest.
SFT: dict[str, Any] = {
    "method": "train",
    "model": BASE,
    "dataset": "field-guide",
    "output": TUNED,
    "objective": {"method": "sft", "learning_rate": 1e-3},
    "tuner": {"method": "lora", "r": 16},
    "max_length": 256,
    "max_steps": 20,
    "batch_size": 4,
    "eval_every": 20,
    "checkpoint_every": 20,
}
DPO: dict[str, Any] = {
    "method": "train",
    "model": TUNED,
    "dataset": "first-round-pairs",
    "output": PREFERRED,
    "objective": {"method": "dpo", "learning_rate": 1e-4, "beta": 0.1},
    "max_length": 384,
    "max_steps": 20,
    "batch_size": 4,
    "eval_every": 50,
    "checkpoint_every": 50,
}
ANSWERS: dict[str, Any] = {
    "method": "generate",
    "prompts": "field-guide-prompts",
    "limit": 40,
    "batch_size": 40,
    "decoding": {"max_new_tokens": 128, "temperature": 0.7, "top_p": 0.95, "seed": 1},
}


def demo(folder: str | None = None, as_json: bool = False) -> dict[str, Any]:
    """Runs the loop in a home of its own, prints what it does and what came of it; returns the figures."""
    home = Home.at(folder or tempfile.mkdtemp(prefix="llm-workbench-demo-"))
    run = _Run(home)
    print(f"Home of this demo: {home.root}\n", flush=True)
    try:
        figures = run.all()
    finally:
        run.runner.halt()
    print(_text(figures), flush=True)
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
    return figures


class _Run:
    """The stages, each timed. Jobs go through the queue to warm workers, as they do from the page."""

    def __init__(self, home: Home):
        self.home, self.queue = home, Queue(home)
        self.runner = Runner(home, self.queue).start()
        self.seconds: dict[str, float] = {}

    def all(self) -> dict[str, Any]:
        if not (self.home.models / BASE).exists():
            self.stage("starter model", lambda: self.job({"method": "starter-model"}))
        self.stage("import sample data", lambda: import_sample(self.home))
        sft = self.stage("train: LoRA SFT", lambda: self.job(SFT))
        first = self.answers("first-round", [TUNED, BASE], 0, samples=3)
        self.stage("answer: base against tuned", lambda: self.job(first))
        self.stage("vote by rule", lambda: vote_by_rule(self.home, "first-round", FIELD_GUIDE))
        pairs = export_dataset(self.home, "first-round", "first-round-pairs", eval_fraction=0.1, own=TUNED).info["rows"]
        dpo = self.stage("train: DPO on the votes", lambda: self.job(DPO))
        second = self.answers("second-round", [PREFERRED, TUNED], 40, samples=2)
        self.stage("answer: tuned against DPO", lambda: self.job(second))
        self.stage("vote by rule, second round", lambda: vote_by_rule(self.home, "second-round", FIELD_GUIDE))
        return {
            "home": str(self.home.root),
            "rule": FIELD_GUIDE.statement,
            "sft": sft,
            "pairs": pairs,
            "dpo": dpo,
            "tuned_over_base": _rate(self.home, "first-round"),
            "dpo_over_tuned": _rate(self.home, "second-round"),
            "seconds": self.seconds,
            "seconds_total": round(sum(self.seconds.values()), 1),
        }

    def stage(self, name: str, work: Callable[[], Any]) -> Any:
        print(f"▸ {name}", end="", flush=True)
        began = time.perf_counter()
        result = work()
        self.seconds[name] = round(time.perf_counter() - began, 1)
        print(f"  {self.seconds[name]:.1f} s", flush=True)
        return result

    def job(self, spec: dict[str, Any]) -> dict[str, Any]:
        job_id = self.queue.submit(JOBS.parse(spec))
        while not self.queue.get(job_id).final:
            time.sleep(0.1)
        return job_result(self.queue, job_id)

    @staticmethod
    def answers(session: str, models: list[str], skip: int, samples: int) -> dict[str, Any]:
        return {**ANSWERS, "session": session, "models": models, "skip": skip, "samples": samples}


def _rate(home: Home, session: str) -> dict[str, Any]:
    """The win rate of the first model over the second, with its interval."""
    row = report(home, session)["win_rates"][0]
    names = ("a", "b", "rate", "low", "high", "n", "wins", "losses", "ties")
    return {name: round(row[name], 3) if isinstance(row[name], float) else row[name] for name in names}


def _text(figures: dict[str, Any]) -> str:
    sft, dpo = figures["sft"], figures["dpo"]
    lines = [
        "",
        f"The rule that votes: {figures['rule']}",
        "",
        f"SFT loss   train {_fall(sft, 'train_loss')}, eval {_fall(sft, 'eval_loss')}",
        f"DPO        {figures['pairs']['train']} pairs, loss {_fall(dpo, 'train_loss')}, "
        f"reward margin {dpo['rewards/margins']:.2f}",
    ]
    for name, label in (("tuned_over_base", "tuned over base"), ("dpo_over_tuned", "DPO over tuned")):
        rate = figures[name]
        interval = f"{100 * rate['low']:.0f}–{100 * rate['high']:.0f} %"
        counts = f"{rate['wins']} won, {rate['losses']} lost, {rate['ties']} tied"
        lines.append(f"Win rate   {label}: {100 * rate['rate']:.0f} % (95 % interval {interval}; {counts})")
    see = f"See it in the page: WORKBENCH_HOME={figures['home']} python app.py"
    return "\n".join([*lines, f"Total      {figures['seconds_total']:.0f} s", "", see])


def _fall(result: dict[str, Any], name: str) -> str:
    return f"{result[f'{name}_first']:.2f} → {result[f'{name}_last']:.2f}"
