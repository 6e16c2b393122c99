"""Answers of several models to one prompt set, for labelling."""

import time
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_name
from workbench.data.store.dataset_reference import PROMPTS_REF, resolve_dataset
from workbench.data.store.prompts import prompts_of
from workbench.inference.decoding import Decoding
from workbench.inference.inference_engine import ENGINES, InferenceEngine
from workbench.inference.pace import Pace
from workbench.jobs.job import JOBS, Job, JobContext, JobStopped, Output
from workbench.models.model_references import ANSWERS
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.new_session import AskedOfVoters, KnownQuestions, VotesPerPair, check_new_session


@JOBS.register
class Generate(Job):
    """Lets two or more models answer a set of prompts, and opens a blind labelling session on the answers."""

    method: ClassVar[str] = "generate"
    title: ClassVar[str] = "Answer prompts for labelling"
    resumable: ClassVar[bool] = True

    session: str = Field(title="Session name", description="Name of the new labelling session.")
    models: Annotated[list[str], ANSWERS] = Field(
        max_length=8, title="Models",
        description="Models, GGUF files and ensembles to compare; one is enough with several answers per prompt.",
    )  # fmt: skip
    prompts: Annotated[str, PROMPTS_REF] = Field(
        title="Prompts", description="The dataset whose prompts are answered; conversations give their first user turn."
    )
    limit: Annotated[int, Display(limit="max")] = Field(
        40, ge=1, le=10_000, title="Number of prompts",
        description="How many prompts are answered: more votes narrow the intervals.",
    )  # fmt: skip
    skip: Annotated[int, Display(unit="prompts", advanced=True)] = Field(
        0, ge=0, le=1_000_000, title="Skip", description="How many prompts to leave out at the dataset's start."
    )
    samples: int = Field(
        1, ge=1, le=4, title="Answers per prompt",
        description="Answers each model gives to a prompt; above 1 a model's own answers are compared too, which "
        "suits DPO.",
    )  # fmt: skip
    batch_size: Annotated[int, Display(unit="prompts", advanced=True)] = Field(
        16, ge=1, le=512, title="Batch size",
        description="Prompts answered at once: more is faster and takes more memory.",
    )  # fmt: skip
    engine: Annotated[InferenceEngine, ENGINES, ADVANCED] = ENGINES.field(
        "transformers", "What runs the models; GGUF files are always llama.cpp's.", title="Engine"
    )
    votes_per_pair: VotesPerPair = 1
    labelling: AskedOfVoters = Field(default_factory=LabellingSettings)
    checks: KnownQuestions = ""
    decoding: Annotated[Decoding, ADVANCED] = Field(
        default_factory=lambda: Decoding(max_new_tokens=160), title="Sampling",
        description="How answers are drawn from the models' probabilities.",
    )  # fmt: skip

    @property
    def contestants(self) -> list[tuple[str, int]]:
        """(model, which of its samples), in the order they answer."""
        return [(model, sample) for model in self.models for sample in range(self.samples)]

    def label(self) -> str:
        return f"Answers for {self.session}"

    def blind(self, home: Home) -> bool:
        """Until the session is closed, in a damaged database too: whoever votes there may see this job."""
        from workbench.preferences.blinding import is_blind

        return is_blind(home, self.session)

    def facts(self, home: Home) -> list[list[str]]:
        hidden = f"{len(self.models)}, named when the session is closed"
        return [
            ["Session", self.session],
            ["Models", hidden if self.blind(home) else ", ".join(self.models)],
            ["Prompts", f"{self.limit} of {self.prompts}"],
        ]

    def outputs(self) -> list[Output]:
        return [Output("session", "sessions", self.session)]

    def credentials(self) -> tuple[Credential, ...]:
        return ("labels",)

    def check(self, home: Home, problems: Problems) -> None:
        from workbench.preferences.sessions import list_sessions

        if len(self.contestants) < 2:
            problems.add("models", "there is nothing to compare.", "Choose two models, or let one give two samples.")
        check_new_session(self.labelling, len(self.contestants), self.checks, problems)
        remedy = "Choose different models, or raise the answers per prompt."
        self.engine.check(ANSWERS.resolve_all(home, self.models, "models", problems, remedy), problems)
        self._try(problems, "session", lambda: safe_name(self.session, "session"))
        self._try(problems, "prompts", lambda: self._check_prompts(home))
        if any(session.name == self.session for session in list_sessions(home)):
            problems.add("session", f"{self.session!r} exists already.", "Choose another name.")

    def _check_prompts(self, home: Home) -> None:
        resolve_dataset(home, self, "prompts")
        if len(prompts_of(home, self.prompts, self.skip + 1)) <= self.skip:
            raise UserError(
                f"{self.prompts!r} has no prompt after the first {self.skip}.", "Skip fewer, or choose another set."
            )

    @staticmethod
    def _try(problems: Problems, field: str, check: Any) -> None:
        try:
            check()
        except UserError as error:
            problems.collect(field, error)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.ensembles.engine import EnsembleEngine
        from workbench.preferences import sessions
        from workbench.preferences.check_files import read_checks
        from workbench.preferences.quality_checks import add_checks

        prompts = prompts_of(ctx.home, self.prompts, self.skip + self.limit)[self.skip :]
        if not ctx.resume or not any(session.name == self.session for session in sessions.list_sessions(ctx.home)):
            # the settings of labelling may change, and are the session's own from now on
            own = {name: value for name, value in self.to_dict().items() if name not in ("checks", "labelling")}
            made_by = {**own, "job": ctx.folder.name}
            names = [sessions.contestant(*contestant) for contestant in self.contestants]
            sessions.create_session(
                ctx.home, self.session, names, self.prompts, made_by, self.votes_per_pair, self.labelling
            )
            add_checks(ctx.home, self.session, read_checks(self.checks))
        engine = EnsembleEngine(ctx.home, runs=self.engine)
        try:
            for step, _ in enumerate(engine.load(self.models), 1):
                self._stopper(ctx, 0)(0)
                ctx.task.update(0, len(prompts), f"Loading the models, step {step}")
            pace = {model: Pace(engine.answering(model).library) for model in self.models}
            self._answer(ctx, engine, prompts, pace)
        finally:
            engine.close()
        sessions.finish_session(ctx.home, self.session)
        for model, measured in pace.items():
            ctx.note(f"{model}: {measured.sentence()}")
        return {"session": self.session, "prompts": len(prompts), **self._counts(ctx.home)}

    def _counts(self, home: Home) -> dict[str, int]:
        """How many answers, of all models together, did not end well."""
        from workbench.preferences import sessions

        ended = list(sessions.finishes(home, self.session).values())
        words = {"length": "cut off at the limit", "error": "empty, or no room for the prompt"}
        counts = {text: sum(each[finish] for each in ended) for finish, text in words.items()}
        return {text: count for text, count in counts.items() if count}

    def _answer(self, ctx: JobContext, engine: Any, prompts: list[list[dict[str, str]]], pace: dict[str, Pace]) -> None:
        """Batch by batch, all models each, so that labelling can begin with the first batch.

        A resumed job leaves out what the session has already. What is told meanwhile names no model and counts nothing
        by model: whoever votes may see it.
        """
        from workbench.preferences import sessions
        from workbench.preferences.attention import add_attention_checks

        stored = sessions.get_session(ctx.home, self.session).prompts
        at_once = self.engine.prompts_at_once(self.batch_size)
        for start in range(0, len(prompts), at_once):
            batch = prompts[start : start + at_once]
            if start + len(batch) <= stored:
                continue
            replies_of: dict[str, list[Any]] = {}
            for index, (model, sample) in enumerate(self.contestants):
                completed = start + len(batch) * index / len(self.contestants)
                which = f"model {index + 1} of {len(self.contestants)}"
                ctx.task.update(completed, len(prompts), f"Prompts {start + 1}–{start + len(batch)}: {which} answers")
                seed = self.decoding.seed + start + 100_003 * sample
                decoding = self.decoding.model_copy(update={"seed": seed})
                began = time.perf_counter()
                replies = engine.answering(model).answer_batch(batch, decoding, self._stopper(ctx, start))
                pace[model].add(sum(answer.tokens for answer in replies), time.perf_counter() - began)
                replies_of[sessions.contestant(model, sample)] = replies
            for offset, prompt in enumerate(batch):
                answers = {name: sessions.Answer(**vars(replies[offset])) for name, replies in replies_of.items()}
                sessions.add_answers(ctx.home, self.session, start + offset, prompt, answers)
            add_attention_checks(ctx.home, self.session)
        ctx.task.update(len(prompts), len(prompts), "Ready to label")

    def _stopper(self, ctx: JobContext, start: int) -> Callable[[int], None]:
        """What the engine calls before each of its steps: an ensemble takes long over a batch."""

        def stop_if_asked(_step: int) -> None:
            if ctx.stop_requested():
                raise JobStopped({"session": self.session, "prompts": start})

        return stop_if_asked
