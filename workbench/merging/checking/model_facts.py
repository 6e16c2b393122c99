"""One model of a recipe as its files describe it, and what makes it unfit to be merged.

Reads config.json, tokenizer.json and the headers of weight files.
"""

import functools
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.merging.stack import layer_of, tensor_group
from workbench.models import tensors
from workbench.models.adapter_judge import require_sound
from workbench.models.adapters import adapter_kind, misfits
from workbench.models.anatomy import FLOAT_BYTES
from workbench.models.json_files import read_json
from workbench.models.model_import import PICKLED
from workbench.models.model_references import Resolved, resolve
from workbench.models.vocabulary import Vocabulary, vocabulary

BUFFERS = re.compile(r"inv_freq|masked_bias|attn\.bias$|position_ids")


@dataclass
class ModelFacts:
    """One model of a recipe, as its files describe it. shapes: (shape, safetensors dtype) by tensor."""

    name: str
    resolved: Resolved
    config: dict[str, Any]
    shapes: dict[str, tuple[tuple[int, ...], str]]
    vocabulary: Vocabulary | None = None

    @property
    def depth(self) -> int:
        keys = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
        return _whole_number(next((self.config[key] for key in keys if self.config.get(key)), 0))

    @property
    def architecture(self) -> str:
        named = self.config.get("architectures")
        return ", ".join(map(str, named)) if named and isinstance(named, list) else "?"

    @functools.cached_property
    def rows(self) -> int:
        """Rows of the embedding, padding included."""
        counts = [shape[0] for name, (shape, _) in self.shapes.items() if is_vocabulary(name) and shape]
        return max(counts, default=_whole_number(self.config.get("vocab_size")))

    @functools.cached_property
    def dtype(self) -> str:
        """The dtype most parameters have, as safetensors calls it."""
        count: Counter[str] = Counter()
        for shape, dtype in self.shapes.values():
            count[dtype] += math.prod(shape)
        return count.most_common(1)[0][0] if count else ""

    @property
    def identity(self) -> Hashable:
        return self.resolved.base, self.resolved.adapter


def _whole_number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def is_vocabulary(name: str) -> bool:
    """Whether a tensor has a row for each token."""
    return layer_of(name) is None and tensor_group(name) in ("embeddings", "head") and "pos" not in name


def read_all_facts(home: Home, names: Iterable[str], problems: Problems) -> dict[str, ModelFacts]:
    """What the files of these models say, by name; those that cannot be read become problems and are left out."""
    models: dict[str, ModelFacts] = {}
    for name in names:
        try:
            resolved = resolve(home, name, "models")
            before = len(problems.found)
            facts = read_facts(resolved, name, problems)
            if facts and len(problems.found) == before:
                require_sound(home, resolved.adapter, resolved.base, "models")
        except UserError as error:
            problems.collect("models", error)
        else:
            models |= {name: facts} if facts else {}
    return models


def read_facts(resolved: Resolved, name: str, problems: Problems) -> ModelFacts | None:
    """What a model's files say, its problems added; None if they say too little to go on."""
    before = len(problems.found)
    config = read_json(resolved.base / "config.json", problems)
    if not list(resolved.base.glob("*.safetensors")):
        pickled = any(path.suffix in PICKLED for path in resolved.base.iterdir())
        problems.add(
            "models", f"{name!r} has {'only pickled weights' if pickled else 'no weights'}.",
            "Save it as safetensors (save_pretrained does) and import it again; pickles can run code.",
        )  # fmt: skip
        return None
    for problem in tensors.check_shards(resolved.base):
        problems.add("models", f"{name!r}: {problem.message}", problem.remedy)
    if len(problems.found) > before:
        return None
    shapes = {tensor: (shape, dtype) for tensor, shape, dtype in tensors.shapes(resolved.base)}
    inner = config.get("text_config")
    facts = ModelFacts(name, resolved, {**config, **(inner if isinstance(inner, dict) else {})}, shapes)
    facts.config["architectures"] = config.get("architectures")
    if facts.architecture == "?" or "," in facts.architecture:
        problems.add("models", f"the config.json of {name!r} names no one architecture.", "Write its class there.")
    _plain(facts, problems)
    if resolved.adapter:
        _adapter(facts, problems)
    facts.vocabulary = vocabulary(resolved.home_of_template)
    return facts


def _plain(facts: ModelFacts, problems: Problems) -> None:
    """Weights must be plain floats: packed ones cannot be added up."""
    packed = [
        name for name, (_, dtype) in facts.shapes.items() if dtype not in FLOAT_BYTES and "weight" in name.lower()
    ]
    how = facts.config.get("quantization_config")
    if how or packed:
        kind = how.get("quant_method", "quantised") if isinstance(how, dict) else facts.shapes[packed[0]][1]
        problems.add("models", f"{facts.name!r} is quantised ({kind}).", "Merge the unquantised model; quantise after.")


def _adapter(facts: ModelFacts, problems: Problems) -> None:
    """The same that `workbench.models.weights` refuses."""
    assert facts.resolved.adapter
    try:
        kind = adapter_kind(facts.resolved.adapter)
        kind.require_foldable(facts.resolved.adapter.name, "models")
        for misfit in misfits(kind, facts.resolved.adapter, facts.resolved.base)[:1]:
            problems.add("models", f"{facts.name!r}: {misfit}", "Choose the base this adapter was trained on.")
    except UserError as error:
        problems.collect("models", error)
        return
    if kind.base_settings:
        problems.add(
            "models", f"the adapter of {facts.name!r} was trained with {kind.scaling}, which its base has not.",
            "Fold it into its base in the Models tab first, and merge the folded model.",
        )  # fmt: skip
    tied = facts.config.get("tie_word_embeddings", True)
    if kind.embeddings and (tied or (kind.rows and kind.rows != facts.rows)):
        problems.add(
            "models", f"the adapter of {facts.name!r} trains {kind.embeddings}: another layout than its base's.",
            "Fold it into its base in the Models tab first, and merge the folded model.",
        )  # fmt: skip
