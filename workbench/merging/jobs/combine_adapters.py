"""Combining LoRA adapters of one base into one adapter."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.lineage import Parent, parent_of, read_manifest
from workbench.jobs.job import JOBS, Job, Output
from workbench.jobs.page import JobPage
from workbench.models import tensors
from workbench.models.adapter_judge import require_sound
from workbench.models.adapters import adapter_kind
from workbench.models.model_references import ModelRef, Resolved, model_ref
from workbench.models.rope_scaling import scaling_words
from workbench.models.shelf import check_free

Combination = Literal[
    "cat", "svd", "linear", "ties", "ties_svd", "dare_ties", "dare_ties_svd", "dare_linear", "dare_linear_svd",
    "magnitude_prune", "magnitude_prune_svd",
]  # fmt: skip


def _naming(*words: str) -> list[str]:
    """The methods with one of these words in their name: they are put together of what they do."""
    return [name for name in get_args(Combination) if any(word in name for word in words)]


SVD = _naming("svd")
ANY_RANK = ("cat", *SVD)


@JOBS.register
class CombineAdapters(Job):
    """Makes one adapter out of several LoRA adapters of the same base, each with a weight.

    PEFT's add_weighted_adapter, https://huggingface.co/docs/peft/developer_guides/model_merging. 'cat' and 'svd' work
    on the changes Δ = scaling · B A and give Σ weight · Δ, exactly and cut to the rank. 'linear' and its kin work on
    the factors A and B, which is cheap but gives cross terms too: a rough approximation.
    """

    method: ClassVar[str] = "combine-adapters"
    runs: ClassVar[str] = "workbench.merging.combining:run"
    title: ClassVar[str] = "Combine adapters"
    page: ClassVar[JobPage | None] = JobPage(
        "merge", title="Adapters", button="Combine adapters", order=20,
        needs=(ModelRef("adapter", text=False), 2),
        empty=("Two adapters are needed", "They are joined without touching their base.",
               "Train adapters of one base."),
    )  # fmt: skip

    adapters: Annotated[list[str], ModelRef("adapter", text=False, sound=False)] = Field(
        min_length=2, max_length=16, title="Adapters", description="Two adapters or more, all of one base model."
    )
    weights: list[float] = Field(
        default_factory=list, title="Weights",
        description="One weight for each adapter, in their order; empty gives each an equal share of 1.",
    )  # fmt: skip
    combination: Combination = Field(
        "cat", title="Method",
        description="How the adapters become one: cat is exact and its rank is the sum of theirs, svd cuts that to a "
        "rank.",
    )  # fmt: skip
    density: Annotated[float, Display(shown_if={"combination": _naming("ties", "dare", "prune")})] = Field(
        0.5, gt=0, le=1, title="Density",
        description="Share of the values that are kept: less interferes less and loses more.",
    )  # fmt: skip
    majority_sign_method: Annotated[
        Literal["total", "frequency"],
        Display(shown_if={"combination": _naming("ties")}, labels={
            "total": "by sum of values", "frequency": "by number of values",
        }),
    ] = Field(
        "total", title="Sign election", description="How ties elects the sign of each value."
    )  # fmt: skip
    rank: Annotated[int, Display(shown_if={"combination": _naming("svd")})] = Field(
        0, ge=0, le=2048, title="Rank (r)",
        description="Rank of the result: higher is more exact and larger; 0 takes the adapters' largest.",
    )  # fmt: skip
    seed: Annotated[int, Display(shown_if={"combination": _naming("dare")})] = Field(
        0, ge=0, lt=2**31, title="Random seed", description="Decides which values dare drops."
    )
    output: str = Field(title="Output name", description="Name of the new adapter on the shelf.")

    @property
    def shares(self) -> list[float]:
        return self.weights or [1 / len(self.adapters)] * len(self.adapters)

    def label(self) -> str:
        return f"Combine {' + '.join(self.adapters)}"

    def facts(self, home: Home) -> list[list[str]]:
        shares = ", ".join(f"{name} × {share:g}" for name, share in zip(self.adapters, self.shares, strict=False))
        return [["Adapters", shares], ["Combination", self.combination], ["Makes", self.output]]

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output)]

    def check(self, home: Home, problems: Problems) -> None:
        if self.weights and len(self.weights) != len(self.adapters):
            counts = f"there are {len(self.weights)} weights for {len(self.adapters)} adapters."
            problems.add("weights", counts, "Give one weight for each adapter, in their order.")
        if self.weights and not all(-100 <= weight <= 100 for weight in self.weights):
            problems.add("weights", "a weight is not between -100 and 100.", "Weights usually lie between 0 and 1.")
        check_free(home, self.output, problems)
        before = len(problems.found)
        resolved = model_ref(self, "adapters").resolve_all(
            home, self.adapters, "adapters", problems, "Raise its weight instead."
        )
        for adapter in resolved:
            self._check_kind(home, adapter, problems)
        if len(problems.found) == before:
            self._check_bases(resolved, problems)
            self._check_ranks([adapter.folders[0] for adapter in resolved], problems)

    def _check_kind(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        """Adds a problem unless the adapter is plain LoRA."""
        assert resolved.adapter
        try:
            if reason := not_plain_lora(resolved.adapter):
                raise UserError(f"{resolved.name!r} {reason}.", "Fold each into its base, then merge the whole models.")
            require_sound(home, resolved.adapter, resolved.base, "adapters")
        except UserError as error:
            problems.collect("adapters", error)

    def _check_bases(self, adapters: list[Resolved], problems: Problems) -> None:
        bases = {adapter.name: _base_of(adapter) for adapter in adapters}
        if len({base.digest for base in bases.values()}) > 1:
            named = ", ".join(f"{name} of {base.name}" for name, base in bases.items())
            problems.add("adapters", f"they belong to different bases ({named}).", "Choose adapters of one base model.")
        scalings = {adapter.name: adapter_kind(adapter.folders[0]).base_settings for adapter in adapters}
        if any(settings != next(iter(scalings.values())) for settings in scalings.values()):
            named = ", ".join(f"{name} {scaling_words(settings) or 'none'}" for name, settings in scalings.items())
            problems.add(
                "adapters", f"they were trained with different RoPE scalings ({named}).",
                "One adapter has one: choose those that were trained alike.",
            )  # fmt: skip

    def _check_ranks(self, folders: list[Path], problems: Problems) -> None:
        if self.combination in ANY_RANK:
            return
        ranks_of = {folder.name: sorted(set(ranks(folder).values())) for folder in folders}
        if len({rank for each in ranks_of.values() for rank in each}) > 1:
            named = ", ".join(f"{name} {'/'.join(map(str, each))}" for name, each in ranks_of.items())
            problems.add(
                "combination", f"{self.combination} needs one rank throughout, and they have {named}.",
                f"These work with any ranks: {', '.join(ANY_RANK)}.",
            )  # fmt: skip


def _base_of(resolved: Resolved) -> Parent:
    """The base as the adapter was trained on it, or the one that is named before it."""
    assert resolved.adapter
    trained_on = read_manifest(resolved.adapter).parent("base")
    return trained_on if trained_on and trained_on.name == resolved.base.name else parent_of(resolved.base, "base")


def not_plain_lora(folder: Path) -> str:
    """Why an adapter is not low-rank matrices and nothing else, or ''. Raises `UserError` on a damaged config."""
    kind = adapter_kind(folder)
    return kind.refusal or kind.beyond_lora


def ranks(folder: Path) -> dict[str, int]:
    """The rank of every layer that a LoRA adapter changes."""
    rank_of = {}
    for name, shape, _ in tensors.shapes(folder):
        for mark in (".lora_A", ".lora_embedding_A"):
            if mark in name:
                rank_of[name.split(mark)[0].removeprefix("base_model.model.")] = shape[0]
    return rank_of


def uneven(folders: list[Path]) -> list[str]:
    """A sentence if the adapters change different layers."""
    layers = [ranks(folder).keys() for folder in folders]
    some = {name for each in layers for name in each if not all(name in other for other in layers)}
    if not some:
        return []
    return [f"{len(some)} layers are changed by some of the adapters only ({min(some)}); there the others add nothing."]
