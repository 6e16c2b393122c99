"""The whole loop without a person: `python -m workbench demo`.

Sample data → LoRA SFT → base against tuned → the tuned model against itself → votes by a stated rule → DPO on the
votes → tuned against DPO on prompts neither has seen → report. Every stage is the same job the page starts.

DPO learns from pairs of the tuned model's own answers. From base against tuned, which differ in every token, this
small model only learned to break (win rate 49 % and falling with more steps). From its own, plain DPO learned to stop
early: bad answers run on, so the shortest way from them is to be short, and what the rule wants went with the rest
(47 %; 50 % with the loss divided by the length). With the SFT loss on the chosen answers added, as in RPO, it learned
what the good answers have (62 % with a weight of 1, 73 % with 2 and a larger step).
"""

import tempfile
import time
from collections.abc import Callable
from typing import Any

from workbench.core.home import Home
from workbench.data.recipes.importing import import_sample
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue, job_result
from workbench.jobs.runner import Runner
from workbench.models import starter
from workbench.preferences.blinding import Voter, close_session
from workbench.preferences.export import export_dataset
from workbench.preferences.judges import FIELD_GUIDE, vote_by_rule
from workbench.preferences.summary import report

BASE, TUNED, PREFERRED = starter.STARTER_NAME, "field-guide-sft", "field-guide-dpo"

# Short on purpose: after 16 steps the model keeps to the manner a third of the time, so that votes can teach the rest.
SFT: dict[str, Any] = {
    "method": "train",
    "model": BASE,
    "dataset": "field-guide",
    "output": TUNED,
    "objective": {"method": "sft", "learning_rate": 1e-3},
    "tuner": {"method": "lora", "r": 16},
    "max_length": 256,
    "max_steps": 16,
    "batch_size": 4,
    "eval_every": 16,
    "checkpoint_every": 16,
}
DPO: dict[str, Any] = {
    "method": "train",
    "model": TUNED,
    "dataset": "own-answers-pairs",
    "output": PREFERRED,
    "objective": {"method": "dpo", "learning_rate": 3e-4, "beta": 0.1, "sft_weight": 2.0},
    "max_length": 384,
    "max_steps": 16,
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


def demo(folder: str | None = None) -> dict[str, Any]:
    """Runs the loop in a home of its own, prints what it does and what came of it; returns the figures."""
    home = Home.at(folder or tempfile.mkdtemp(prefix="llm-workbench-demo-"))
    run = _Run(home)
    print(f"Home of this demo: {home.root}\n", flush=True)
    try:
        figures = run.all()
    finally:
        run.runner.halt()
    print(_text(figures), flush=True)
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
        self.round("base-or-tuned", [TUNED, BASE], limit=12)
        self.round("own-answers", [TUNED], samples=3)
        pairs = export_dataset(self.home, "own-answers", "own-answers-pairs", eval_fraction=0.05).info["rows"]
        dpo = self.stage("train: DPO on the votes", lambda: self.job(DPO))
        self.round("tuned-or-dpo", [PREFERRED, TUNED], skip=40, limit=30, samples=2)
        return {
            "home": str(self.home.root),
            "rule": FIELD_GUIDE.statement,
            "sft": sft,
            "pairs": pairs,
            "dpo": dpo,
            "tuned_over_base": _rate(self.home, "base-or-tuned"),
            "dpo_over_tuned": _rate(self.home, "tuned-or-dpo"),
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

    def round(self, session: str, models: list[str], **settings: int) -> None:
        """Answers of the models to the prompts, each pair voted on by the rule."""
        asked = {**ANSWERS, "session": session, "models": models, **settings}
        self.stage(f"answer and vote: {session}", lambda: self.answer_and_judge(session, asked))

    def answer_and_judge(self, session: str, asked: dict[str, Any]) -> None:
        """The answers, a vote by the rule on every pair, and the session closed, so that its result may be seen."""
        self.job(asked)
        vote_by_rule(self.home, session, FIELD_GUIDE)
        close_session(self.home, session, Voter(FIELD_GUIDE.name, FIELD_GUIDE.name))


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
        f"reward margin on held-out pairs {dpo['eval_rewards/margins']:.2f}",
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
