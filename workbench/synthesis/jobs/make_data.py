"""Making more training rows: new prompts and answers written by a model."""

import contextlib
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_join
from workbench.core.lineage import Parent, parent_of
from workbench.data.store import datasets
from workbench.data.store.dataset_reference import PROMPTS_REF, resolve_dataset
from workbench.inference.decoding import Decoding
from workbench.inference.inference_engine import ENGINES, InferenceEngine
from workbench.jobs.job import JOBS, Job, JobContext, JobStopped, Output
from workbench.models.model_names import ENDPOINT
from workbench.models.model_references import ANSWERING, ModelRef
from workbench.synthesis.endpoint import Endpoint
from workbench.synthesis.generation_log import GENERATION_LOG_FILE, MakingLog
from workbench.synthesis.generator import MAKERS, Maker
from workbench.synthesis.prompts import Prompt, get_prompt
from workbench.synthesis.rules import Checks, Patience
from workbench.synthesis.run import Making, RunPlan
from workbench.synthesis.seeds import SEED_SPLIT, seeds_of
from workbench.synthesis.writer import Writer

WRITERS = ModelRef(*ANSWERING, "endpoint")
"""What can write and score rows."""
MOST_SEEDS = 200_000


@JOBS.register
class MakeData(Job):
    """Lets a model write new rows from a dataset's: more tasks, harder ones, or answers; filtered and judged."""

    method: ClassVar[str] = "make-data"
    title: ClassVar[str] = "Make more rows"
    resumable: ClassVar[bool] = True

    maker: Annotated[Maker, MAKERS] = MAKERS.field("self_instruct", "How new rows are made.", title="Method")
    dataset: Annotated[str, PROMPTS_REF] = Field(
        title="Dataset", description="The rows to start from; only the train split is used."
    )
    model: Annotated[str, WRITERS] = Field(
        "", title="Model", description="The model that writes; empty takes the operator's endpoint."
    )
    judge: Annotated[str, WRITERS] = Field(
        "", title="Judge", description="The model that scores rows from 1 to 5; empty leaves rows unjudged."
    )
    output: str = Field(
        "", title="Output name",
        description="The new dataset's name on the shelf; empty takes the dataset's name and the method.",
    )  # fmt: skip
    limit: Annotated[int, Display(limit="max")] = Field(
        100, ge=1, le=100_000, title="Number of rows", description="How many rows are made at most."
    )
    skip: Annotated[int, Display(unit="prompts", advanced=True)] = Field(
        0, ge=0, le=1_000_000, title="Skip", description="How many prompts to leave out at the dataset's start."
    )
    answers: bool = Field(
        True, title="Answer new prompts",
        description="Also write an answer to each new prompt; without it, the result is a dataset of prompts.",
    )  # fmt: skip
    attempts: Annotated[int, ADVANCED] = Field(
        4, ge=1, le=100, title="Attempts per row",
        description="Requests for each row wanted before the job ends with fewer rows.",
    )  # fmt: skip
    batch_size: Annotated[int, Display(unit="requests", advanced=True)] = Field(
        8, ge=1, le=512, title="Batch size",
        description="Requests answered at once: more is faster and takes more memory.",
    )  # fmt: skip
    engine: Annotated[InferenceEngine, ENGINES, ADVANCED] = ENGINES.field(
        "transformers", "What runs models of the shelf; GGUF files are always llama.cpp's.", title="Engine"
    )
    decoding: Annotated[Decoding, ADVANCED] = Field(
        default_factory=lambda: Decoding(max_new_tokens=512), title="Sampling",
        description="How texts are drawn from the model's probabilities.",
    )  # fmt: skip
    checks: Annotated[Checks, ADVANCED] = Field(
        default_factory=Checks, title="Filters", description="What is left out of the result."
    )
    endpoint: Annotated[Patience, ADVANCED] = Field(
        default_factory=Patience, title="Endpoint", description="How requests are sent to the operator's endpoint."
    )
    rubric: Annotated[str, ADVANCED] = Field(
        "", title="Rubric",
        description="A text of your own (Jinja: prompt, answer) in place of the judge's built-in rubric.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed",
        description="The same seed gives the same rows; sampling's own seed is not used.",
    )  # fmt: skip

    @property
    def output_name(self) -> str:
        return self.output or f"{self.dataset}-{self.maker.method}".replace("_", "-")

    @property
    def names(self) -> list[str]:
        """Who writes and who judges, each once."""
        return list(dict.fromkeys(name for name in (self.model or ENDPOINT, self.judge) if name))

    @property
    def shelved(self) -> list[str]:
        """The models of the shelf among them."""
        return [name for name in self.names if name != ENDPOINT]

    @property
    def _requests_at_once(self) -> int:
        if (self.model or ENDPOINT) == ENDPOINT:
            return self.batch_size
        return min(self.engine.prompts_at_once(self.batch_size), max(self.batch_size, self.limit))

    def label(self) -> str:
        return f"Make {self.output_name}"

    def facts(self, home: Home) -> list[list[str]]:
        shown = {ENDPOINT: "the operator's endpoint"}
        judge = [["Judge", shown.get(self.judge, self.judge)]] if self.judge else []
        return [
            ["Method", self.maker.title],
            ["From", self.dataset],
            ["Writes", shown.get(self.names[0], self.names[0])],
            *judge,
            ["Makes", f"{self.output_name}, {self.limit} rows at most"],
        ]

    def outputs(self) -> list[Output]:
        return [Output("output", "datasets", self.output_name)]

    def credentials(self) -> tuple[Credential, ...]:
        return ("endpoint",) if ENDPOINT in self.names else ()

    def check(self, home: Home, problems: Problems) -> None:
        for field, name in (("model", self.model or ENDPOINT), ("judge", self.judge)):
            if name:
                _try(problems, field, lambda name=name, field=field: self._check_model(home, name, field))
        _try(problems, "output", lambda: self._check_output(home))
        _try(problems, "dataset", lambda: self._check_seeds(home, problems))
        self._check_engine(home, problems)
        self.maker.check_templates(problems)
        if self.rubric:
            _try(problems, "rubric", lambda: get_prompt("judge", self.rubric))
        if not self.answers and not self.maker.makes_prompts:
            problems.add("answers", f"{self.maker.title} makes nothing without answers.", "Switch answers on.")
        if (self.model or ENDPOINT) == ENDPOINT:
            self._check_sampling(problems)

    def _check_model(self, home: Home, name: str, field: str) -> None:
        if name == ENDPOINT:
            Endpoint.configured()
        else:
            WRITERS.resolve(home, name, field)

    def _check_engine(self, home: Home, problems: Problems) -> None:
        models = []
        for name in self.shelved:
            with contextlib.suppress(UserError):  # told of as the model's own problem
                models.append(WRITERS.find(home, name))
        if models:
            self.engine.check(models, problems)

    def _check_output(self, home: Home) -> None:
        if safe_join(home.datasets, self.output_name, "output").exists():
            raise UserError(f"{self.output_name!r} is on the shelf already.", "Choose another name.", "output")

    def _check_seeds(self, home: Home, problems: Problems) -> None:
        resolve_dataset(home, self, "dataset")
        self.maker.check(home, seeds_of(home, self.dataset, MOST_SEEDS, self.skip), problems)

    def _check_sampling(self, problems: Problems) -> None:
        """An endpoint is given what the protocol has; nothing is left out unsaid."""
        for name, off in (("top_k", 0), ("repetition_penalty", 1.0)):
            if getattr(self.decoding, name) != off:
                problems.add(("decoding", name), "an endpoint does not take it.", f"Set it to {off:g}.")

    def run(self, ctx: JobContext) -> dict[str, Any]:
        log = MakingLog(ctx.folder / GENERATION_LOG_FILE)
        prompts = self._begin(ctx.home, log)
        ctx.task.update(0, self.limit, "Loading")
        writers = self._writers(ctx)
        making = self._making(ctx, log, prompts, writers)
        try:
            self.maker.make(making)
        except JobStopped:
            if ctx.stop_requested() == "discard":
                raise JobStopped from None
            raise JobStopped(self._shelve(ctx, making) if making.accepted else making.counts.to_dict()) from None
        finally:
            for writer in writers.values():
                writer.close()
        for name, writer in writers.items():
            if account := writer.account():
                ctx.note(f"{name}: {account}")
        if not making.accepted:
            why = making.counts.reasons() or "nothing was asked"
            raise UserError(
                f"No row was kept of {making.counts.asked}: {why}.",
                "Loosen the checks, allow longer answers, or choose a stronger model.",
                "checks",
            )
        return self._shelve(ctx, making)

    def _begin(self, home: Home, log: MakingLog) -> dict[str, Prompt]:
        """The templates: those the job began with, so that a resumed one asks the same. Raises `UserError`."""
        parents = {f"{parent.kind} {parent.name}": parent.digest for parent in self._parents(home)}
        if not log.start:
            prompts = [get_prompt(name, own) for name, own in self._templates().items()]
            texts = {prompt.name: [prompt.text, prompt.own] for prompt in prompts}
            log.begin(job=self.to_dict(), parents=parents, writers=self._shown(), templates=texts)
        now = {**parents, **dict.fromkeys(self._shown(), "")}
        began = {**log.start["parents"], **dict.fromkeys(log.start["writers"], "")}
        if now != began:
            changed = ", ".join(sorted(name for name in {*now, *began} if now.get(name) != began.get(name)))
            raise UserError(f"What this job began with has changed: {changed}.", "Start a new job.", "dataset")
        return {name: Prompt(name, text, own) for name, (text, own) in log.start["templates"].items()}

    def _templates(self) -> dict[str, str]:
        return {"answer": "", "judge": self.rubric, **self.maker.templates()}

    def _shown(self) -> list[str]:
        return [f"endpoint:{Endpoint.configured().model}" if name == ENDPOINT else name for name in self.names]

    def _writers(self, ctx: JobContext) -> dict[str, Writer]:
        """The writers by the names of the settings; models of the shelf are loaded together."""
        from workbench.synthesis.endpoint_writer import EndpointWriter
        from workbench.synthesis.writer import ShelfWriter

        writers: dict[str, Writer] = {}
        if self.shelved:
            from workbench.ensembles.engine import EnsembleEngine

            engine = EnsembleEngine(ctx.home, runs=self.engine)
            try:
                for doing in engine.load(self.shelved):
                    ctx.task.check_stop()
                    ctx.task.update(0, self.limit, doing)
                writers = {name: ShelfWriter(engine, name) for name in self.shelved}
            except BaseException:
                engine.close()
                raise
        if ENDPOINT in self.names:
            writers[ENDPOINT] = EndpointWriter(Endpoint.configured(), self.endpoint)
        return writers

    def _making(
        self, ctx: JobContext, log: MakingLog, prompts: dict[str, Prompt], writers: dict[str, Writer]
    ) -> Making:
        existing = seeds_of(ctx.home, self.dataset, MOST_SEEDS)
        return Making(
            maker=self.maker,
            plan=RunPlan(
                self.limit, self.attempts, self._requests_at_once, self.answers, self.decoding, self.checks, self.seed
            ),
            seeds=existing[self.skip :][: self.maker.seeds_wanted(self.limit)],
            prompts=prompts,
            log=log,
            writer=writers[self.names[0]],
            judge=writers[self.judge] if self.judge else None,
            task=ctx.task,
            existing=existing,
        )

    def _shelve(self, ctx: JobContext, making: Making) -> dict[str, Any]:
        """Puts the rows on the shelf, in the place of what this same job has put there before."""
        origin = {"made_by": self.maker.method, "model": making.writer.name, "dataset": self.dataset}
        origin |= {"split": SEED_SPLIT, "judge": making.judge.name if making.judge else ""}
        counts = making.counts.to_dict()
        made_by = {**self.to_dict(), "job": ctx.folder.name}
        templates = {name: prompt.provenance() for name, prompt in making.prompts.items()}
        datasets.write_rows(
            ctx.home,
            self.output_name,
            "conversation" if self.answers else "prompts",
            [item.row(origin) for item in making.accepted],
            parents=self._parents(ctx.home),
            made_by=made_by,
            info={"making": counts, "writers": self._shown(), "templates": templates},
            replace=self._is_mine(ctx),
        )
        return {"dataset": self.output_name, **counts}

    def _is_mine(self, ctx: JobContext) -> bool:
        """Whether the dataset of that name is what this job made before it was stopped or killed."""
        if not safe_join(ctx.home.datasets, self.output_name).exists():
            return False
        return datasets.dataset_manifest(ctx.home, self.output_name).made_by.get("job") == ctx.folder.name

    def _parents(self, home: Home) -> list[Parent]:
        """The dataset and the models; of a GGUF with an adapter, both."""
        parents = [parent_of(datasets.dataset_folder(home, self.dataset), "dataset")]
        for name in self.shelved:
            role = "writer" if name == self.model else "judge"
            parents += [parent_of(folder, role) for folder in WRITERS.find(home, name).named_folders]
        return parents


def _try(problems: Problems, field: str, check: Any) -> None:
    try:
        check()
    except UserError as error:
        problems.collect(field, error)
