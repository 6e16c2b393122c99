"""A recipe: mergekit's own YAML, strictly read, with names of the shelf where mergekit has paths.

https://github.com/arcee-ai/mergekit#merge-configuration
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from workbench.core.errors import Problems, UserError
from workbench.core.foreign_configuration import MERGE, refuse_configuration, refuse_recipes
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.spec import dump_yaml
from workbench.core.yaml_spec import BriefSpec, YamlSpec
from workbench.models import tensors
from workbench.models.model_names import ModelName
from workbench.models.model_references import WEIGHT_KINDS, ModelRef, Resolved, resolve

MOST_MODELS = 64
Scalar = bool | int | float | str
Dtype = Literal["float32", "float16", "bfloat16", "float64"]


class Filtered(BriefSpec):
    """A value for the tensors whose name holds the filter's text; no filter or '*' means the rest."""

    value: Scalar | list[Scalar] = Field(title="Value", description="The value, or its gradient over the layers.")
    filter: str | None = Field(None, title="Filter", description="Part of a tensor's name, such as self_attn or mlp.")


MethodSetting = Scalar | list[Scalar] | list[Filtered] | Filtered
MethodSettings = dict[str, MethodSetting]


Reference = Annotated[str, Field(min_length=1), ModelRef(*WEIGHT_KINDS, text=False, sound=False)]
"""A model of a recipe. Its files are looked at by the checks of merging, which ask for more than others do."""


class MergeSource(BriefSpec):
    """One model that goes in, or, with a layer range, some of its layers."""

    model: Reference = Field(
        title="Model", description="Name on the shelf, BASE+ADAPTER, hub id of a model on the shelf, or folder."
    )
    parameters: MethodSettings | None = Field(
        None, title="Parameters", description="Its own values of the method's parameters."
    )


class SliceSource(MergeSource):
    """A run of layers of one model."""

    layer_range: tuple[int, int] = Field(title="Layer range", description="First layer, and the layer after the last.")

    @model_validator(mode="after")
    def _rising(self) -> "SliceSource":
        if not 0 <= self.layer_range[0] < self.layer_range[1]:
            raise ValueError("layer_range must rise, from 0 on")
        return self


class Slice(BriefSpec):
    """Some layers of the result, made from as many layers of each source."""

    sources: list[SliceSource] = Field(
        min_length=1, max_length=MOST_MODELS, title="Sources", description="Where the layers come from."
    )
    base_model: Reference | None = Field(
        None, title="Base model", description="Base of this slice, if not the recipe's."
    )
    residual_weight: float | None = Field(
        None, title="Residual weight", description="Read by old versions of mergekit; has no effect."
    )
    parameters: MethodSettings | None = Field(None, title="Parameters", description="Values for this slice.")


class Module(BriefSpec):
    """One part of a model of several parts, such as a vision tower."""

    models: list[MergeSource] | None = Field(
        None, max_length=MOST_MODELS, title="Models", description="Models merged whole, each with its own parameters."
    )
    slices: list[Slice] | None = Field(
        None, max_length=1000, title="Slices", description="Layers put together from ranges of the models' layers."
    )
    parameters: MethodSettings | None = Field(
        None, title="Parameters", description="The method's parameters for this part."
    )

    @model_validator(mode="after")
    def _models_or_slices(self) -> "Module":
        if bool(self.models) == bool(self.slices):
            raise ValueError("give either models or slices")
        return self


class TokenRow(BriefSpec):
    """A row for a token's embedding that is not the token's own in some model."""

    kind: Literal["zero", "model_token"] = Field(
        title="Kind", description="No row but zeros, or the row of a token of a model."
    )
    model: Reference | None = Field(None, title="Model", description="Whose row it is.")
    token: str | None = Field(None, title="Token", description="The row of which token.")
    token_id: int | None = Field(None, ge=0, title="Token id", description="Or the row of which id.")

    @model_validator(mode="after")
    def _names_one_row(self) -> "TokenRow":
        if self.kind == "model_token" and (not self.model or (self.token is None) == (self.token_id is None)):
            raise ValueError("give {kind: zero}, or {kind: model_token, model, and token or token_id}")
        return self


RowSource = Annotated[
    Annotated[Reference, Tag("model")] | Annotated[TokenRow, Tag("row")],
    Discriminator(lambda value: "row" if isinstance(value, dict | TokenRow) else "model"),
]


class TokenSource(BriefSpec):
    """Where a token's embedding comes from."""

    source: RowSource | None = Field(
        None, title="Source", description="A model, {kind: zero}, or {kind: model_token, model, token or token_id}."
    )
    force: bool = Field(False, title="Force", description="Take it even for models that have the token themselves.")


class TokenizerChoice(BriefSpec):
    """Which tokenizer the result has."""

    source: Reference = Field(
        "union",
        title="Source",
        description="The base's tokenizer (base), all tokens of all models (union), or that of one model.",
    )
    tokens: dict[str, TokenSource] | None = Field(
        None, title="Tokens", description="Where the embeddings of single tokens come from."
    )
    pad_to_multiple_of: int | None = Field(
        None,
        ge=1,
        le=1024,
        title="Pad to a multiple of",
        description="Round the vocabulary size up to a multiple of this.",
    )


class MergeRecipe(YamlSpec, BriefSpec):
    """The whole recipe, field by field as mergekit reads it. Model names are as they were written."""

    begins_with: ClassVar[str] = "A recipe starts with merge_method: …"

    merge_method: str = Field(title="Merge method", description="The merge method; `list methods` names all of them.")
    base_model: Reference | None = Field(
        None,
        title="Base model",
        description="The model that the others' changes are measured from; some methods need none.",
    )
    models: list[MergeSource] | None = Field(
        None, max_length=MOST_MODELS, title="Models", description="Models merged whole, each with its own parameters."
    )
    slices: list[Slice] | None = Field(
        None, max_length=1000, title="Slices", description="Layers put together from ranges of the models' layers."
    )
    modules: dict[str, Module] | None = Field(
        None,
        title="Modules",
        description="For models of several parts, such as text and vision: how each part is merged.",
    )
    parameters: MethodSettings | None = Field(
        None, title="Parameters", description="The method's parameters for all models and layers."
    )
    dtype: Dtype | None = Field(
        None,
        title="Compute type",
        description="Precision the merge is computed in, and of the file if no file type is given.",
    )
    out_dtype: Dtype | None = Field(None, title="File type", description="Precision of the file.")
    tokenizer_source: Reference | None = Field(
        None, title="Tokenizer source", description="mergekit's older way to name the tokenizer's source."
    )
    tokenizer: TokenizerChoice | None = Field(
        None, title="Tokenizer", description="Which tokenizer the result has; empty copies the base's."
    )
    chat_template: str | None = Field(
        None,
        max_length=100_000,
        title="Chat template",
        description="The chat template of the result: auto, a name, or a Jinja template.",
    )

    @model_validator(mode="after")
    def _one_kind_of_source(self) -> "MergeRecipe":
        if sum(bool(sources) for sources in (self.models, self.slices, self.modules)) != 1:
            raise ValueError("give exactly one of models, slices and modules")
        if self.tokenizer and self.tokenizer_source:
            raise ValueError("give tokenizer or tokenizer_source, not both")
        return self

    @model_validator(mode="before")
    @classmethod
    def _no_list_of_recipes(cls, data: Any) -> Any:
        if isinstance(data, str):
            refuse_recipes(data, "This", MERGE)
        return data

    @classmethod
    def upgraded(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The settings; raises `UserError` for configurations of other programs, with what they are."""
        if not {"merge_method", "models", "modules"} & data.keys():
            refuse_configuration(data, "This", MERGE)
        return data

    def outputs(self) -> list[Slice]:
        """The slices of the result in order; a merge of whole models has none."""
        slices = list(self.slices or [])
        for module in (self.modules or {}).values():
            slices += module.slices or []
        return slices

    def sources(self) -> list[MergeSource]:
        """Every source as it stands in the recipe."""
        sources: list[MergeSource] = list(self.models or [])
        for module in (self.modules or {}).values():
            sources += module.models or []
        for output_slice in self.outputs():
            sources += output_slice.sources
        return sources

    def references(self) -> list[str]:
        """Every model named, the base first, then in the order of the recipe, none twice."""
        named = [self.base_model, *(source.model for source in self.sources())]
        named += [output_slice.base_model for output_slice in self.outputs()]
        tokenizer = self.tokenizer_source or (self.tokenizer.source if self.tokenizer else None)
        if tokenizer not in ("base", "union"):
            named.append(tokenizer)
        return list(dict.fromkeys(name for name in named if name))

    def bind(self, home: Home) -> dict[str, Resolved]:
        """The folders behind every reference; raises `SpecError` with all that are not on the shelf."""
        problems, resolved = Problems(), {}
        for written in self.references():
            try:
                resolved[written] = resolve(home, written, "models")
            except UserError as error:
                problems.collect("models", error)
        problems.check()
        return resolved

    def replaced(self, names: dict[str, Any]) -> dict[str, Any]:
        """The recipe as plain data with every model name exchanged for what `names` has for it."""
        return dict(_replace(self.to_dict(), names))


def _replace(data: Any, names: dict[str, Any], key: str = "") -> Any:
    if isinstance(data, dict):
        return {name: _replace(value, names, name) for name, value in data.items()}
    if isinstance(data, list):
        return [_replace(value, names, key) for value in data]
    if key in ("model", "base_model", "source", "tokenizer_source") and isinstance(data, str):
        return names.get(data, data)
    return data


def layer_count(folder: Path) -> int:
    """How many layers the model in a folder has, from its config; 0 if it does not say."""
    config = tensors.model_config(folder)
    return int(config.get("num_hidden_layers") or config.get("n_layer") or 0)


def for_mergekit(home: Home, recipe: MergeRecipe) -> str:
    """The recipe as YAML that mergekit runs by itself: hub ids where the shelf knows them, else folders."""
    return dump_yaml(recipe.replaced({name: _address(model) for name, model in recipe.bind(home).items()}))


def _address(model: Resolved) -> str:
    return str(ModelName(_hub_or_path(model.base), _hub_or_path(model.adapter) if model.adapter else ""))


def _hub_or_path(folder: Path) -> str:
    made_by = read_manifest(folder).made_by
    if made_by.get("method") == "hub-model" and made_by.get("repo"):
        return f"{made_by['repo']}@{made_by['commit']}" if made_by.get("commit") else str(made_by["repo"])
    return str(folder)


def numbers(setting: MethodSetting | None) -> Iterator[Scalar]:
    """Every plain value in a setting."""
    if isinstance(setting, Filtered):
        yield from numbers(setting.value)
    elif isinstance(setting, list):
        for entry in setting:
            yield from numbers(entry)
    elif setting is not None:
        yield setting
