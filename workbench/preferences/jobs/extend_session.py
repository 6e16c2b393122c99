"""More prompts, or answers of another model, for a labelling session that is under way."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.change_log import current_person
from workbench.core.children import Credential
from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.store.dataset_reference import PROMPTS_REF, resolve_dataset
from workbench.data.store.prompts import prompts_of
from workbench.inference.decoding import Decoding
from workbench.jobs.job import JOBS, Job, JobContext, JobStopped
from workbench.models.model_references import ANSWERS
from workbench.preferences.jobs.generate import Generate
from workbench.preferences.session_reference import SessionRef

Prompt = list[dict[str, str]]


@JOBS.register
class ExtendSession(Job):
    """Adds prompts or models to a labelling session while people vote in it; nothing that is there is changed."""

    method: ClassVar[str] = "extend-session"
    title: ClassVar[str] = "Add to a session"
    resumable: ClassVar[bool] = True

    session: Annotated[str, SessionRef()] = Field(title="Session", description="The session, which is not closed.")
    models: Annotated[list[str], ANSWERS] = Field(
        [], max_length=7, title="Models to add",
        description="They answer all prompts of the session, and meet all its models. Not for sessions of rankings.",
    )  # fmt: skip
    limit: Annotated[int, Display(limit="max")] = Field(
        0, ge=0, le=10_000, title="Prompts to add",
        description="So many more prompts are answered by all models of the session, with the sampling it was made by.",
    )  # fmt: skip
    prompts: Annotated[str, PROMPTS_REF] = Field(
        "", title="Prompts",
        description="The dataset they are taken from, without those the session has; empty: the session's own.",
    )  # fmt: skip
    decoding: Annotated[Decoding, ADVANCED] = Field(
        default_factory=lambda: Decoding(max_new_tokens=160), title="Sampling for imported answers",
        description="How added models answer where the session's answers were imported; else the session's own holds.",
    )  # fmt: skip

    def label(self) -> str:
        return f"More for {self.session}"

    def blind(self, home: Home) -> bool:
        """Until the session is closed, as the job that made it."""
        from workbench.preferences.blinding import is_blind

        return is_blind(home, self.session)

    def facts(self, home: Home) -> list[list[str]]:
        hidden = f"{len(self.models)}, named when the session is closed"
        models = "none" if not self.models else hidden if self.blind(home) else ", ".join(self.models)
        return [["Session", self.session], ["Added models", models], ["Added prompts", str(self.limit)]]

    def subject(self) -> str:
        return self.session

    def credentials(self) -> tuple[Credential, ...]:
        return ("labels",)

    def check(self, home: Home, problems: Problems) -> None:
        if not self.models and not self.limit:
            problems.add("limit", "is 0, and no model is added.", "Say how many prompts, or which models are added.")
        if self.models:
            ANSWERS.resolve_all(home, self.models, "models", problems, "Choose different models.")
        for field, check in (("prompts", self._check_dataset), ("session", self._check_session)):
            try:
                check(home)
            except UserError as error:
                problems.collect(field, error)

    def _check_dataset(self, home: Home) -> None:
        if self.prompts:
            resolve_dataset(home, self, "prompts")

    def _check_session(self, home: Home) -> None:
        """Raises `UserError` when the session does not take what is to be added."""
        from workbench.preferences.session_extending import check_session_takes
        from workbench.preferences.sessions import get_session

        made_by = get_session(home, self.session).made_by
        maker = self._maker(made_by)
        check_session_takes(home, self.session, self._contestants(maker))
        if self.limit and made_by.get("method") != Generate.method:
            raise UserError(
                "cannot be above 0: the answers of this session were imported.",
                "Let its models answer elsewhere, and import all answers as a new session.",
                "limit",
            )
        if self.limit:
            self._new_prompts(home, maker)

    def _maker(self, made_by: dict[str, Any]) -> Generate:
        """The job that made the session, or one that answers like it: of imported answers nobody knows how."""
        if made_by.get("method") != Generate.method:
            return Generate(session=self.session, models=["-"], prompts="", decoding=self.decoding)
        names = {*Generate.model_fields}
        return Generate.parse({name: value for name, value in made_by.items() if name in names})

    def _contestants(self, maker: Generate) -> list[str]:
        from workbench.preferences.sessions import contestant

        return [contestant(model, sample) for model in self.models for sample in range(maker.samples)]

    def _new_prompts(self, home: Home, maker: Generate) -> list[Prompt]:
        """As many prompts as are wanted that the session does not have. Raises `UserError` when there is none."""
        from workbench.preferences.session_extending import session_prompts

        there = session_prompts(home, self.session)
        dataset = self.prompts or maker.prompts
        skip = maker.skip if dataset == maker.prompts else 0
        offered = prompts_of(home, dataset, skip + len(there) + self.limit)[skip:]
        found = [prompt for prompt in offered if prompt not in there][: self.limit]
        if not found:
            raise UserError(f"{dataset!r} has no prompt that the session lacks.", "Choose another set.", "prompts")
        return found

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.ensembles.engine import EnsembleEngine
        from workbench.preferences import sessions
        from workbench.preferences.attention import add_attention_checks
        from workbench.preferences.blinding import Voter
        from workbench.preferences.session_extending import add_model_answers, begin_extension, prompts_lacking

        info = sessions.get_session(ctx.home, self.session)
        maker = self._maker(info.made_by)
        new = self._contestants(maker)
        begin_extension(ctx.home, self.session, ctx.folder.name, new, Voter(current_person(), "job"))
        everyone = sessions.get_session(ctx.home, self.session).models
        lacking = prompts_lacking(ctx.home, self.session, new) if new else {}
        more = dict(enumerate(self._wanted(ctx, maker), self._first(ctx)))
        total = len(lacking) + len(more)
        models = [*(new if lacking else ()), *(everyone if more else ())]
        engine = EnsembleEngine(ctx.home, runs=maker.engine)
        try:
            for step, _ in enumerate(engine.load(list(dict.fromkeys(map(sessions.model_of, models)))), 1):
                self._stopper(ctx)(0)
                ctx.task.update(0, total, f"Loading the models, step {step}")
            for done, place, answers in self._answers(ctx, engine, maker, new, lacking):
                ctx.task.update(done, total, "The models answer")
                add_model_answers(ctx.home, self.session, place, answers)
            for done, place, answers in self._answers(ctx, engine, maker, everyone, more):
                ctx.task.update(len(lacking) + done, total, "The models answer")
                sessions.add_answers(ctx.home, self.session, place, more[place], answers)
        finally:
            engine.close()
        add_attention_checks(ctx.home, self.session)
        sessions.finish_session(ctx.home, self.session)
        return {"session": self.session, "prompts": total}

    def _first(self, ctx: JobContext) -> int:
        from workbench.preferences.sessions import get_session

        return get_session(ctx.home, self.session).prompts

    def _wanted(self, ctx: JobContext, maker: Generate) -> list[Prompt]:
        """The prompts that this job is still to add: fewer when it was stopped and goes on."""
        from workbench.preferences.sessions import get_session

        if not self.limit:
            return []
        info = get_session(ctx.home, self.session)
        begun = next(each for each in info.made_by["extensions"] if each["job"] == ctx.folder.name)
        left = self.limit - (info.prompts - begun["prompts"])
        return self._new_prompts(ctx.home, maker)[:left] if left > 0 else []

    def _answers(
        self, ctx: JobContext, engine: Any, maker: Generate, names: list[str], prompts: dict[int, Prompt]
    ) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Lets these contestants answer, batch by batch: (prompts done before, place, answers by name) of each prompt.

        What is told meanwhile names no model: whoever votes may see it.
        """
        from workbench.preferences import sessions

        places = list(prompts)
        at_once = maker.engine.prompts_at_once(maker.batch_size)
        for start in range(0, len(places), at_once):
            batch = places[start : start + at_once]
            asked = [prompts[place] for place in batch]
            replies: dict[str, list[Any]] = {}
            for name in names:
                seed = maker.decoding.seed + batch[0] + 100_003 * sessions.sample_index(name)
                decoding = maker.decoding.model_copy(update={"seed": seed})
                answering = engine.answering(sessions.model_of(name))
                replies[name] = answering.answer_batch(asked, decoding, self._stopper(ctx))
            for offset, place in enumerate(batch):
                answers = {name: sessions.Answer(**vars(each[offset])) for name, each in replies.items()}
                yield start + offset, place, answers

    def _stopper(self, ctx: JobContext) -> Callable[[int], None]:
        """What the engine calls before each of its steps."""

        def stop_if_asked(_step: int) -> None:
            if ctx.stop_requested():
                raise JobStopped({"session": self.session})

        return stop_if_asked
