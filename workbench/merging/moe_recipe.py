"""The recipe of a mixture of experts: mergekit's own YAML, strictly read, with names of the shelf.

https://github.com/arcee-ai/mergekit/blob/main/docs/moe.md. The base gives attention, norms and embeddings, each expert
its MLPs; a router before them is made from prompts (gate_mode hidden or cheap_embed) or drawn at random.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.yaml_spec import BriefSpec, YamlSpec
from workbench.merging.recipe import Dtype
from workbench.models import tensors
from workbench.models.model_references import ModelRef, resolve

SAME = ("model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "hidden_act")
Prompts = list[str]
WholeModel = Annotated[str, ModelRef("model", text=False)]


class Expert(BriefSpec):
    """One model whose MLPs become an expert."""

    source_model: WholeModel = Field(title="Expert model", description="Name on the shelf of a whole model.")
    positive_prompts: Prompts | None = Field(
        None, max_length=1000, title="Positive prompts", description="What should be sent to this expert."
    )
    negative_prompts: Prompts | None = Field(
        None, max_length=1000, title="Negative prompts", description="What should not be sent to it."
    )
    noise_scale: float | None = Field(
        None, ge=0, le=1, title="Noise scale",
        description="Strength of random noise on its weights: larger changes it more.",
    )  # fmt: skip
    residual_scale: float | None = Field(
        None, ge=-10, le=10, title="Residual scale",
        description="Factor on what it adds to the residual stream: larger counts more.",
    )  # fmt: skip

    def prompts(self) -> tuple[Prompts, Prompts]:
        return self.positive_prompts or [], self.negative_prompts or []


class MoeRecipe(YamlSpec, BriefSpec):
    """mergekit's MoE configuration, field by field."""

    begins_with: ClassVar[str] = "It starts with base_model: …"

    base_model: WholeModel = Field(
        title="Base model",
        description="Gives everything but the experts: embeddings, attention, norms and output head.",
    )  # fmt: skip
    experts: list[Expert] = Field(
        min_length=1, max_length=64, title="Experts", description="The models whose MLPs become experts."
    )
    shared_experts: list[Expert] | None = Field(
        None,
        max_length=1,
        title="Shared expert",
        description="An expert that sees every token, as in Qwen's MoE; at most one.",
    )
    gate_mode: Annotated[
        Literal["hidden", "hidden_avg", "hidden_last", "cheap_embed", "random", "uniform_random"],
        Display(labels={
            "hidden": "by hidden states", "hidden_avg": "by mean hidden states",
            "hidden_last": "by last hidden states", "cheap_embed": "by embeddings", "random": "at random",
            "uniform_random": "uniformly at random",
        }),
    ] = Field(
        "hidden", title="Router",
        description="How the router is made: from the prompts' hidden states, their embeddings, or at random.",
    )  # fmt: skip
    dtype: Dtype | None = Field(None, title="Data type", description="Precision of the file; empty keeps the base's.")
    experts_per_token: int = Field(
        2, ge=1, le=64, title="Experts per token",
        description="How many experts work on a token: more is slower and may answer better.",
    )  # fmt: skip
    architecture: Literal["mixtral", "qwen", "qwen3"] | None = Field(
        None, title="Architecture", description="The architecture of the result; empty takes what fits."
    )

    @model_validator(mode="after")
    def _sound(self) -> "MoeRecipe":
        """mergekit's own rules, which it checks by ending the process."""
        if self.experts_per_token > len(self.experts):
            raise ValueError("experts_per_token is more than there are experts")
        if len(self.experts) > 1 and len({expert.source_model for expert in self.experts}) == 1:
            raise ValueError("all experts are the same model")
        if self.gate_mode in ("random", "uniform_random"):
            return self
        if not all(expert.positive_prompts for expert in [*self.experts, *(self.shared_experts or [])]):
            raise ValueError(f"every expert needs positive_prompts with gate_mode {self.gate_mode}")
        if len(self.experts) > 1 and all(expert.prompts() == self.experts[0].prompts() for expert in self.experts):
            raise ValueError("all experts have the same prompts, so the router could not tell them apart")
        return self

    def references(self) -> list[str]:
        """Every model named, the base first, none twice."""
        experts = [*self.experts, *(self.shared_experts or [])]
        return list(dict.fromkeys([self.base_model, *(expert.source_model for expert in experts)]))

    def bind(self, home: Home) -> dict[str, Path]:
        """The folder behind every reference; raises `SpecError` with all that are missing, or are no whole models."""
        problems, folders = Problems(), {}
        for written in self.references():
            try:
                resolved = resolve(home, written, "recipe", ("model",))
            except UserError as error:
                problems.collect("recipe", error)
                continue
            folders[written] = resolved.base
        problems.check()
        return folders

    def output(self, folders: dict[str, Path]) -> str:
        """The architecture of the result; raises `SpecError` if these models cannot make one."""
        configs = {name: tensors.model_config(folder) for name, folder in folders.items()}
        base, problems = configs[self.base_model], Problems()
        for name, config in configs.items():
            for key in SAME:
                if config.get(key) != base.get(key):
                    message = f"{name!r} has {key} {config.get(key)}, the base {base.get(key)}."
                    problems.add("recipe", message, "Choose models trained from the same base.")
        problems.check()
        kind = str(base.get("model_type"))
        makes = {"qwen3": "qwen3", "qwen2": "qwen"}.get(kind, "qwen" if self.shared_experts else "mixtral")
        wanted = self.architecture or makes
        _check_output(wanted, kind, bool(self.shared_experts), problems)
        if wanted == "mixtral" and (base.get("attention_bias") or base.get("mlp_bias")):
            problems.add("recipe", f"{self.base_model!r} has biases, which Mixtral has not.", "Choose another base.")
        problems.check()
        return wanted


def _check_output(wanted: str, kind: Any, shared: bool, problems: Problems) -> None:
    """What mergekit can make of which models: https://github.com/arcee-ai/mergekit/tree/main/mergekit/moe."""
    takes = {"mixtral": ("llama", "mistral"), "qwen": ("llama", "mistral", "qwen2"), "qwen3": ("qwen3",)}[wanted]
    if kind not in takes:
        problems.add("recipe", f"a {wanted} mixture cannot be made of {kind} models.", f"It takes {', '.join(takes)}.")
    elif shared != (wanted == "qwen"):
        remedy = "Give one under shared_experts, with prompts." if wanted == "qwen" else "Leave shared_experts out."
        problems.add("recipe", f"a {wanted} mixture has {'one' if wanted == 'qwen' else 'no'} shared expert.", remedy)
