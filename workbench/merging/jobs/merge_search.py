"""Searching for a good merge recipe by trying many."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.store.dataset_reference import TEXTS, resolve_dataset
from workbench.jobs.job import JOBS, Job, Output
from workbench.jobs.page import JobPage
from workbench.merging import catalogue
from workbench.merging.recipe import MergeRecipe
from workbench.merging.search_space import DEFAULT, Space, Start
from workbench.models.model_references import ModelRef, model_ref, resolve_setting
from workbench.models.shelf import check_free
from workbench.rendering.templates import TemplateName


@JOBS.register
class MergeSearch(Job):
    """Tries many merge recipes in memory, measures each on a dataset, and puts the best merge on the shelf."""

    method: ClassVar[str] = "merge-search"
    runs: ClassVar[str] = "workbench.merging.search:run"
    title: ClassVar[str] = "Search for a recipe"
    resumable: ClassVar[bool] = True
    page: ClassVar[JobPage | None] = JobPage(
        "merge", title="Search", button="Search", order=70,
        needs=(TEXTS, 1),
        empty=("No dataset yet", "A search needs something to be good at.",
               "Add texts or conversations in the Data tab."),
    )  # fmt: skip

    models: Annotated[list[str], ModelRef("model", "adapter", sound=False)] = Field(
        min_length=1, max_length=8, title="Models", description="The models to merge, adapters included."
    )
    base: Annotated[str, ModelRef("model", "adapter", sound=False)] = Field(
        "", title="Base model", description="The model the others were fine-tuned from; most methods need it."
    )
    dataset: Annotated[str, TEXTS] = Field(
        title="Dataset", description="Conversations or texts the merge should be good at."
    )
    output: str = Field(title="Output name", description="Name of the best merge on the shelf.")
    methods: Annotated[list[str], catalogue.MergeMethodRef(), ADVANCED] = Field(
        default_factory=list, max_length=30, title="Merge methods",
        description="Methods to try; empty tries the common ones that fit.",
    )  # fmt: skip
    groups: Annotated[bool, ADVANCED] = Field(
        False, title="Weights by part",
        description="Search weights for attention and MLP separately: finds more and takes longer.",
    )  # fmt: skip
    trials: int = Field(
        30, ge=1, le=2000, title="Trials",
        description="How many recipes are tried: more find better ones and take longer.",
    )  # fmt: skip
    minutes: Annotated[float, Display(unit="minutes")] = Field(
        0, ge=0, le=100_000, title="Time limit",
        description="No new recipe is tried after this; 0 goes by trials alone.",
    )  # fmt: skip
    rows: Annotated[int, ADVANCED] = Field(
        64, ge=1, le=10_000, title="Rows",
        description="Rows each trial is measured on; as many others judge the best one: more are surer and take "
        "longer.",
    )  # fmt: skip
    template: Annotated[TemplateName, ADVANCED] = Field(
        "model", title="Chat template",
        description="How a conversation becomes text; 'model' is the first model's own template.",
    )  # fmt: skip
    max_length: Annotated[int, Display(unit="tokens", advanced=True)] = Field(
        512, ge=16, le=131072, title="Maximum length",
        description="Rows longer than this are cut off: longer shows more context and takes more memory.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed", description="The same seed gives the same trials."
    )
    kernels: Annotated[
        Literal["fast", "stock"],
        Display(advanced=True, labels={
            "fast": "fast (ours where there is one)", "stock": "mergekit's own throughout",
        }),
    ] = Field(
        "fast", title="Implementation", description="Which code merges the tensors; both give the same result."
    )  # fmt: skip

    @property
    def space(self) -> Space:
        return Space(tuple(self.models), self.base, tuple(self.methods) or DEFAULT, self.groups)

    def label(self) -> str:
        return f"Search {self.output}"

    def facts(self, home: Home) -> list[list[str]]:
        limit = f" or {self.minutes:g} minutes" if self.minutes else ""
        return [
            ["Models", ", ".join(self.models)],
            ["Base", self.base or "none"],
            ["Dataset", self.dataset],
            ["Budget", f"{self.trials} trials{limit}"],
            ["Makes", self.output],
        ]

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output)]

    def check(self, home: Home, problems: Problems) -> None:
        before = len(problems.found)
        model_ref(self, "models").resolve_all(home, self.models, "models", problems)
        if self.base:
            _collect(problems, "base", lambda: resolve_setting(home, self, "base"))
        _collect(problems, "dataset", lambda: resolve_dataset(home, self, "dataset"))
        _collect(problems, "methods", self._check_methods)
        check_free(home, self.output, problems)
        if len(problems.found) == before:
            self._check_fit(home, problems)

    def _check_methods(self) -> None:
        wrong = [f"{name}: {reason}" for name in self.methods if (reason := self.space.reason(name))]
        if wrong or not self.space.usable():
            raise UserError(
                f"These cannot be tried: {'; '.join(wrong)}." if wrong else "No method fits these models.",
                "Leave them out, choose a base, or another number of models.",
                "methods",
            )

    def _check_fit(self, home: Home, problems: Problems) -> None:
        """Whether the models can be merged at all, asked of the first recipe."""
        from workbench.merging.checks import check_recipe

        recipe = MergeRecipe.parse(self.space.recipe(self.space.usable()[0], Start()))
        problems.found += check_recipe(home, recipe, self.output).problems


def _collect(problems: Problems, field: str, check: Callable[[], object]) -> None:
    try:
        check()
    except UserError as error:
        problems.collect(field, error)
