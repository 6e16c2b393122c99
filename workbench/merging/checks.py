"""Everything that can be said of a merge before it runs: what stops it, what to know, what it takes.

Reads configs, tokenizer.json and the headers of weight files, never a weight, so it may run at every edit of a form.
NaN and infinity cannot be seen from there: the engine refuses them while merging. What is demanded is what mergekit
0.1.5 demands: InputContract.validate_ids, resolve_parameters, GatherTensors, PermutedVocabulary.
"""

import functools
import hashlib
import json
import math
import re
import shutil
import weakref
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from pydantic import TypeAdapter, ValidationError

from workbench.errors import Problem, Problems, UserError
from workbench.home import Home, inside
from workbench.merging import catalogue
from workbench.merging.catalogue import MethodInfo, Parameter
from workbench.merging.recipe import Filtered, Recipe, Setting, find, numbers
from workbench.merging.stack import Input, Part, group_of, layer_of, lookup, parts_of
from workbench.models import tensors
from workbench.models.shelf import PICKLED, Resolved, human_count, human_size
from workbench.registry import suggestion

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
FLOATS = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
PROCESS = 600_000_000  # bytes the engine takes before it holds a tensor
SHARES = ("density", "gamma", "select_topk")
WHOLE_BY_DEFAULT = ("dare", "della", "ties", "breadcrumbs")
SIZES = (
    "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim", "n_embd", "n_head",
    "num_experts", "num_local_experts", "moe_intermediate_size",
)  # fmt: skip
BEHAVIOUR = (
    "rope_theta", "rope_parameters", "rope_scaling", "hidden_act", "sliding_window", "rms_norm_eps",
    "max_position_embeddings", "attn_logit_softcapping", "final_logit_softcapping",
)  # fmt: skip
BUFFERS = re.compile(r"inv_freq|masked_bias|attn\.bias$|position_ids")
MOST_LAYERS = 1000  # looked at in one part; no model has more, though a range may say so
SPECIAL = ("bos_token", "eos_token", "pad_token")


@dataclass(frozen=True)
class Findings:
    """problems stop a merge, notes do not; facts are rows of (label, value)."""

    problems: list[Problem]
    notes: list[Problem]
    facts: list[list[str]]


@dataclass(frozen=True)
class Estimate:
    """The result's parameters and bytes on the disk, and about the bytes of memory merging takes."""

    parameters: int
    bytes: int
    memory: int


@dataclass(frozen=True)
class Vocabulary:
    """What a tokenizer's files say: ids by token, the special tokens' texts, the chat template."""

    ids: "Ids" = field(repr=False)
    special: dict[str, str]
    template: str


@dataclass
class Seen:
    """One model of a recipe, as its files describe it. shapes: (shape, safetensors dtype) by tensor."""

    name: str
    found: Resolved
    config: dict[str, Any]
    shapes: dict[str, tuple[tuple[int, ...], str]]
    vocabulary: Vocabulary | None = None

    @property
    def depth(self) -> int:
        return _whole_number(self.config.get("num_hidden_layers") or self.config.get("n_layer"))

    @property
    def architecture(self) -> str:
        named = self.config.get("architectures")
        return ", ".join(map(str, named)) if named and isinstance(named, list) else "?"

    @functools.cached_property
    def rows(self) -> int:
        """Rows of the embedding, padding included."""
        found = [shape[0] for name, (shape, _) in self.shapes.items() if is_vocabulary(name) and shape]
        return max(found, default=_whole_number(self.config.get("vocab_size")))

    @functools.cached_property
    def dtype(self) -> str:
        """The dtype most parameters have, as safetensors calls it."""
        count: Counter[str] = Counter()
        for shape, dtype in self.shapes.values():
            count[dtype] += math.prod(shape)
        return count.most_common(1)[0][0] if count else ""

    @property
    def identity(self) -> Hashable:
        return self.found.base, self.found.adapter


@dataclass
class View:
    """A recipe with what is known of its models; `first` is the one whose config and tokenizer the result has."""

    home: Home
    recipe: Recipe
    models: dict[str, Seen]
    parts: list[Part]
    problems: Problems = field(default_factory=Problems)
    notes: list[Problem] = field(default_factory=list)

    @property
    def first(self) -> Seen | None:
        return next(iter(self.models.values()), None)

    @property
    def donor(self) -> Seen | None:
        """The model whose tokenizer is copied, or is built upon."""
        return self.models.get(self.tokenizer or "", self.first)

    @property
    def tokenizer(self) -> str | None:
        config = self.recipe.config
        return config.tokenizer.source if config.tokenizer else config.tokenizer_source

    def note(self, where: str, message: str, remedy: str = "") -> None:
        self.notes.append(Problem(where, message, remedy))

    def same(self, one: str, other: str | None) -> bool:
        return other is not None and self.key(one) == self.key(other)

    def key(self, name: str) -> Hashable:
        return self.models[name].identity if name in self.models else name


def _whole_number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def is_vocabulary(name: str) -> bool:
    """Whether a tensor has a row for each token."""
    return layer_of(name) is None and group_of(name) in ("embeddings", "head") and "pos" not in name


def check(home: Home, recipe: Recipe, output: str = "") -> Findings:
    """Everything wrong with a recipe at once, what to know about it, and what it makes."""
    view = look(home, recipe)
    info = catalogue.methods().get(recipe.config.merge_method)
    if info is None:
        known = suggestion(recipe.config.merge_method, list(catalogue.methods()))
        view.problems.add("merge_method", f"there is no merge method {recipe.config.merge_method!r}.", known)
    else:
        _inputs(view, info)
        _settings(view, info)
    for step in (_layers, _alike, _tied, _precision, _tokenizers, _padding, _templates, _described):
        step(view)
    estimate = _sizes(view)
    _room(view, output, estimate)
    return Findings(list(dict.fromkeys(view.problems.found)), list(dict.fromkeys(view.notes)), _facts(view, estimate))


def sizes(home: Home, recipe: Recipe) -> Estimate:
    """How big the result is and about how much memory merging takes, from headers alone."""
    return _sizes(look(home, recipe))


def look(home: Home, recipe: Recipe) -> View:
    """Reads what the files of a recipe's models say; models that cannot be read become problems of the view."""
    problems, models = Problems(), {}
    for name in recipe.references():
        try:
            models[name] = see(find(home, name), name, problems)
        except UserError as error:
            problems.collect("models", error)
    found = {name: seen for name, seen in models.items() if seen}
    depth: Callable[[str], int] = lambda name: found[name].depth if name in found else 0  # noqa: E731
    parts = parts_of(recipe, depth, {name: seen.identity for name, seen in found.items()})
    return View(home, recipe, found, parts, problems)


def mismatches(home: Home, names: list[str]) -> list[Problem]:
    """Why the tensors of these models cannot be compared one by one: not there, not readable, not alike."""
    problems, models = Problems(), {}
    for name in dict.fromkeys(names):
        try:
            models[name] = see(find(home, name), name, problems)
        except UserError as error:
            problems.collect("models", error)
    found = [seen for seen in models.values() if seen]
    for other in found[1:]:
        alike(problems, found[0], other)
        if other.depth != found[0].depth:
            told = f"{other.name!r} has {other.depth} layers, {found[0].name!r} {found[0].depth}."
            problems.add("models", told, "Choose models of one size.")
    return list(dict.fromkeys(problems.found))


# ---- the files of one model


def see(found: Resolved, name: str, problems: Problems) -> Seen | None:
    """What a model's files say, its problems added; None if they say too little to go on."""
    before = len(problems.found)
    config = _json(found.base / "config.json", problems)
    if not list(found.base.glob("*.safetensors")):
        pickled = any(path.suffix in PICKLED for path in found.base.iterdir())
        problems.add(
            "models", f"{name!r} has {'only pickled weights' if pickled else 'no weights'}.",
            "Save it as safetensors (save_pretrained does) and import it again; pickles can run code.",
        )  # fmt: skip
        return None
    for problem in tensors.check_shards(found.base):
        problems.add("models", f"{name!r}: {problem}", "Copy the missing files, or get the model again.")
    if len(problems.found) > before:
        return None
    shapes = {tensor: (shape, dtype) for tensor, shape, dtype in tensors.shapes(found.base)}
    inner = config.get("text_config")
    seen = Seen(name, found, {**config, **(inner if isinstance(inner, dict) else {})}, shapes)
    seen.config["architectures"] = config.get("architectures")
    if seen.architecture == "?" or "," in seen.architecture:
        problems.add("models", f"the config.json of {name!r} names no one architecture.", "Write its class there.")
    _plain(seen, problems)
    if found.adapter:
        _adapter(seen, problems)
    seen.vocabulary = vocabulary(found.home_of_template)
    return seen


def _json(path: Path, problems: Problems) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
        return data if isinstance(data, dict) else {}
    except (OSError, ValueError) as error:
        problems.add("models", f"{path.parent.name}/{path.name} cannot be read ({error}).", "Get the model again.")
        return {}


def _plain(seen: Seen, problems: Problems) -> None:
    """Weights must be plain floats: packed ones cannot be added up."""
    packed = [name for name, (_, dtype) in seen.shapes.items() if dtype not in BYTES and "weight" in name.lower()]
    how = seen.config.get("quantization_config")
    if how or packed:
        kind = how.get("quant_method", "quantised") if isinstance(how, dict) else seen.shapes[packed[0]][1]
        problems.add("models", f"{seen.name!r} is quantised ({kind}).", "Merge the unquantised model; quantise after.")


def _adapter(seen: Seen, problems: Problems) -> None:
    """The same that `workbench.models.weights` refuses, and adapters that do not fit their base."""
    assert seen.found.adapter
    config = _json(seen.found.adapter / "adapter_config.json", problems)
    kinds = {
        f"its type is {config.get('peft_type')}": config.get("peft_type") != "LORA",
        "it uses DoRA": config.get("use_dora"),
        "it uses a LoRA bias": config.get("lora_bias"),
        "it uses transposed weights": config.get("fan_in_fan_out"),
        "it trains biases": config.get("bias", "none") != "none",
    }
    for reason in (reason for reason, holds in kinds.items() if holds):
        problems.add(
            "models", f"the adapter of {seen.name!r} cannot be added tensor by tensor: {reason}.",
            "Fold it into its base in the Models tab first, and use the folded model.",
        )  # fmt: skip
    try:
        for mismatch in tensors.adapter_mismatches(seen.found.adapter, seen.found.base)[:1]:
            problems.add("models", f"{seen.name!r}: {mismatch}", "Choose the base this adapter was trained on.")
    except UserError as error:
        problems.collect("models", error)


def vocabulary(folder: Path) -> Vocabulary | None:
    """A folder's tokenizer, read once as long as its files do not change; None if it has none that can be read."""
    names = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
    times = tuple(path.stat().st_mtime_ns if (path := folder / name).is_file() else 0 for name in names)
    return _vocabulary(folder, times) if times[0] else None


# fine-tunes of one base bring copies of one tokenizer
_SHARED: weakref.WeakValueDictionary[str, "Ids"] = weakref.WeakValueDictionary()


class Ids(dict[str, int]):
    """Ids by token, shared by all models whose tokenizer files are the same."""


@functools.lru_cache(maxsize=32)
def _vocabulary(folder: Path, times: tuple[int, ...]) -> Vocabulary | None:
    nothing = Problems()
    content = (folder / "tokenizer.json").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    ids = _SHARED.get(digest)
    if ids is None:
        try:
            ids = _ids(json.loads(content))
        except (ValueError, AttributeError, KeyError, TypeError, IndexError):  # no JSON, or no tokenizer
            return None
        _SHARED[digest] = ids
    config = _json(folder / "tokenizer_config.json", nothing) if times[1] else {}
    special = {name: _text(config.get(name)) for name in SPECIAL}
    template = config.get("chat_template") or ""
    if times[2]:
        template = (folder / "chat_template.jinja").read_text("utf-8", errors="replace")
    return Vocabulary(ids, special, str(template).strip()) if ids else None


def _ids(data: dict[str, Any]) -> Ids:
    listed = data["model"]["vocab"]
    pairs = listed.items() if isinstance(listed, dict) else ((one[0], place) for place, one in enumerate(listed))
    return _with_added(Ids(pairs), [one["content"] for one in data.get("added_tokens") or []])


def _with_added(ids: Ids, added: list[str]) -> Ids:
    """Gives added tokens their ids as the tokenizers library does, which closes gaps whatever the file says."""
    size, highest = len(ids), -1
    for text in added:
        place = ids.setdefault(text, highest + 1 if highest >= size or not size else size)
        highest = max(highest, place)
    return ids


def _text(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


# ---- which models, how many


def _inputs(view: View, info: MethodInfo) -> None:
    """The demands of mergekit's InputContract, of each part of the result."""
    for part in view.parts:
        keys = Counter(view.key(one.model) for one in part.inputs)
        for one in {view.key(one.model): one for one in part.inputs}.values():
            if keys[view.key(one.model)] > 1:
                view.problems.add(
                    part.label, f"{one.model!r} goes in {keys[view.key(one.model)]} times.",
                    "Name each model once, and give it more weight instead.",
                )  # fmt: skip
        has_base = part.base is not None and view.key(part.base) in keys
        _base(view, info, part, has_base)
        _count(view, info, part, len(keys), has_base and info.base != "ignored")
    listed = [view.key(source.model) for source in view.recipe.sources()]
    base = view.recipe.config.base_model
    if info.base == "ignored" and base and view.key(base) not in listed and any(part.whole for part in view.parts):
        view.note(
            "base_model", f"{info.name} knows no base: {base!r} is merged in as one more model.",
            "Take base_model out if that is not meant; config and tokenizer then come from the first model.",
        )  # fmt: skip


def _base(view: View, info: MethodInfo, part: Part, has_base: bool) -> None:
    if info.base == "ignored":
        return
    if part.base and not has_base:
        view.problems.add(
            part.label, f"the base {part.base!r} is not among the sources.",
            "Add the base's layers as a source of this slice, or leave base_model out.",
        )  # fmt: skip
    elif info.base == "required" and not has_base:
        view.problems.add(
            "base_model", f"{info.name} needs a base: it works on the differences to it.",
            "Set base_model, best the model the others were fine-tuned from.",
        )  # fmt: skip
    elif info.base == "forbidden" and has_base:
        view.problems.add("base_model", f"{info.name} takes no base.", "Leave base_model out.")


def _count(view: View, info: MethodInfo, part: Part, count: int, has_base: bool) -> None:
    limits = [("models", count, info.least, info.most)]
    if info.least_others is not None or info.most_others is not None:
        limits.append(("models besides the base", count - has_base, info.least_others or 0, info.most_others))
    for what, number, least, most in limits:
        if number >= least and (most is None or number <= most):
            continue
        wanted = f"exactly {least}" if least == most else f"at least {least}" if number < least else f"at most {most}"
        counted = ", the base counted" if has_base and what == "models" else ""
        remedy = "Add a model." if number < least else "Take models out, or choose a method for more."
        if info.most == 1 and not part.whole:
            remedy = "Give each slice one source."
        view.problems.add(part.label, f"{info.name} takes {wanted} {what}{counted}; here are {number}.", remedy)


# ---- parameters


def _settings(view: View, info: MethodInfo) -> None:
    given = _given(view)
    for name in sorted({name for name, *_ in given} - {one.name for one in info.parameters}):
        near = suggestion(name, [one.name for one in info.parameters])
        view.note(f"parameters.{name}", f"{info.name} ignores it.", near if near.startswith("Did") else "Leave it out.")
    for parameter in info.parameters:
        mine = [(model, setting) for name, model, setting in given if name == parameter.name]
        _misplaced(view, info, parameter, [model for model, _ in mine if model])
        if _readable(view, parameter, [setting for _, setting in mine]):
            _resolved(view, info, parameter)
    _filters(view, [(name, setting) for name, _, setting in given])
    _together(view, info)


def _given(view: View) -> list[tuple[str, str, Setting]]:
    """(name, model or '', setting) of everything set anywhere."""
    scopes = [(one.model, one.parameters) for part in view.parts for one in part.inputs]
    scopes += [("", scope) for part in view.parts for scope in part.scopes]
    return [(name, model, setting) for model, scope in scopes for name, setting in (scope or {}).items()]


def _misplaced(view: View, info: MethodInfo, parameter: Parameter, models: list[str]) -> None:
    if models and parameter.scope == "shared":
        view.note(
            f"parameters.{parameter.name}", f"it is one value for all models: the one under {models[0]!r} is not read.",
            "Put it under the recipe's parameters.",
        )  # fmt: skip
    bases = [part.base for part in view.parts]
    if parameter.scope == "non_base" and any(view.same(model, base) for model in models for base in bases):
        view.note(f"parameters.{parameter.name}", f"{info.name} reads none for the base.", "Leave it out there.")


def _readable(view: View, parameter: Parameter, settings: list[Setting]) -> bool:
    """Whether every value is of the parameter's type and a finite number."""
    read = reader(parameter)
    for value in (value for setting in settings for value in numbers(setting)):
        try:
            if not math.isfinite(read(value)):
                raise ValueError
        except ValueError:
            kind = {"int": "a whole number", "bool": "true or false"}.get(parameter.kind, "a finite number")
            view.problems.add(f"parameters.{parameter.name}", f"{value!r} is not {kind}.", f"Give {kind}.")
            return False
    return True


def reader(parameter: Parameter) -> Callable[[Any], Any]:
    """Reads a value as mergekit does ('1e-5' is a number); raises `ValueError`."""
    return _readers[parameter.kind]


_readers = {kind.__name__: TypeAdapter(kind).validate_python for kind in (float, int, bool)}


def _resolved(view: View, info: MethodInfo, parameter: Parameter) -> None:
    """Every tensor must find a value where one is required, and the values must be within bounds."""
    values: set[Any] = set()
    missing: dict[str, list[str]] = {}
    total: Counter[str] = Counter()
    for part, one, tensor, place in _uses(view, parameter):
        model = one.model if one else ""
        total[model] += 1
        try:
            value = lookup(parameter.name, part.settings(model or None), tensor, place, reader(parameter))
        except ValidationError:
            view.problems.add(
                f"parameters.{parameter.name}", "its gradient gives no whole number in between.", "Give one value."
            )
            return
        if value is None and parameter.required:
            missing.setdefault(model, []).append(tensor)
        values.add(parameter.default if value is None else value)
    for model, names in missing.items():
        _missing(view, info, parameter, model, names, total[model])
    _bounds(view, parameter, [value for value in values if value is not None and not isinstance(value, bool)])


def _uses(view: View, parameter: Parameter) -> Iterable[tuple[Part, Input | None, str, float]]:
    """(part, model, tensor, place along the layers) of every use; one a layer where no filter tells tensors apart."""
    scoped = [setting for name, _, setting in _given(view) if name == parameter.name]
    filtered = not view.recipe.config.modules and any(_filter_texts(setting) for setting in scoped)
    for part in view.parts:
        for one in part.inputs if parameter.scope != "shared" else [None]:
            if one and parameter.scope == "non_base" and view.same(one.model, part.base):
                continue
            source = one or part.inputs[0]
            for tensor, place in _places(view, part, source) if filtered else _plain_places(part):
                yield part, one, tensor, place


def _plain_places(part: Part) -> list[tuple[str, float]]:
    return [("", 0.0), *(("", part.place(offset)) for offset in range(min(part.length, MOST_LAYERS)))]


def _places(view: View, part: Part, one: Input) -> list[tuple[str, float]]:
    seen = view.models.get(one.model)
    found = []
    for name in seen.shapes if seen else ():
        layer = layer_of(name)
        if layer is None or one.first <= layer < one.last:
            found.append((name, 0.0 if layer is None else part.place(layer - one.first)))
    return found


def _missing(view: View, info: MethodInfo, parameter: Parameter, model: str, names: list[str], total: int) -> None:
    whose = f" for {model!r}" if model else ""
    where = f"under that model's parameters as {parameter.name}:" if model else "under the recipe's parameters:"
    if not any(names) or len(names) == total:
        message = f"{info.name} needs it{whose}."
        remedy = f"Give it {where} 0.5 or so, or one for all under the recipe's parameters."
    else:
        message = f"the filters leave {len(names)} of {total} tensors{whose} without a value ({names[0]})."
        remedy = "Add a last entry without a filter: - value: 0.5."
    view.problems.add(f"parameters.{parameter.name}", message, remedy)


def _bounds(view: View, parameter: Parameter, values: list[float]) -> None:
    """Shares below 0 mean nothing; what is merely outside the usual is said."""
    where = f"parameters.{parameter.name}"
    if parameter.name in SHARES:
        for value in sorted(value for value in values if not 0 <= value <= 1)[:1]:
            if value < 0:
                view.problems.add(where, f"{value:g} is no share.", "Choose 0 to 1.")
            else:
                view.note(where, f"{value:g} is taken for 1.", "Choose 0 to 1.")
        return
    low, high = parameter.low, parameter.high
    outside = sorted(v for v in values if (low is not None and v < low) or (high is not None and v > high))
    if outside:
        view.note(where, f"{outside[0]:g} is unusual.", f"Most use {_span(low, high)}.")


def _span(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"{low:g} or more" if low is not None else f"{high:g} or less"


def _filter_texts(setting: Setting) -> list[str]:
    entries = setting if isinstance(setting, list) else [setting]
    return [one.filter for one in entries if isinstance(one, Filtered) and one.filter not in (None, "*")]  # type: ignore[misc]


def _filters(view: View, settings: list[tuple[str, Setting]]) -> None:
    """A filter that no tensor's name holds does nothing; mergekit says nothing."""
    known = [name for seen in view.models.values() for name in seen.shapes]
    words = sorted({word for name in known for word in name.split(".") if not word.isdigit()})
    for name, setting in settings:
        for text in _filter_texts(setting):
            if known and not any(text in tensor for tensor in known):
                near = suggestion(text, words)
                remedy = near if near.startswith("Did") else "Use part of a tensor's name, such as self_attn or mlp."
                view.note(f"parameters.{name}", f"no tensor has {text!r} in its name.", remedy)


def _together(view: View, info: MethodInfo) -> None:
    """Values that break the maths only together."""
    names = {one.name for one in info.parameters}
    if info.name.startswith("della"):
        _della(view, info)
    if "density" in names and info.name.startswith(WHOLE_BY_DEFAULT) and _all_whole(view, info):
        view.note(
            "parameters.density", f"it is 1, so nothing is dropped and {info.name} hardly differs from plain sums.",
            "Papers use 0.2 (TIES), 0.1 to 0.5 (DARE), 0.3 to 0.9 (DELLA, Breadcrumbs).",
        )  # fmt: skip
    norm = "normalize" if info.name == "linear" else "normalize_weights" if info.name == "multislerp" else ""
    if norm and any(abs(total) < 1e-9 for total in _sums(view, info, norm)):
        view.problems.add(
            "parameters.weight",
            "the weights add up to 0, by which they are divided.",
            f"Change them, or set {norm}: false.",
        )


def _values(view: View, info: MethodInfo, name: str) -> dict[tuple[str, str, str, float], Any]:
    """Values by (part, model, tensor, place); the default where none is given."""
    parameter = info.parameter(name)
    found = {}
    for part, one, tensor, place in _uses(view, parameter) if parameter else ():
        scopes = part.settings(one.model if one else None)
        try:
            value = lookup(name, scopes, tensor, place, reader(parameter))  # type: ignore[arg-type]
        except ValueError:
            continue
        found[part.label, one.model if one else "", tensor, place] = parameter.default if value is None else value  # type: ignore[union-attr]
    return found


def _all_whole(view: View, info: MethodInfo) -> bool:
    return all(value >= 1 for value in _values(view, info, "density").values())


def _sums(view: View, info: MethodInfo, norm: str) -> list[float]:
    """Sums of the weights over the models, tensor by tensor, unless they are not divided by."""
    if not all(_values(view, info, norm).values()):
        return []
    totals: dict[Hashable, float] = {}
    for (part, _, tensor, place), value in _values(view, info, "weight").items():
        if value is None:
            return []
        name = re.sub(r"\d+", "#", tensor), place
        totals[part, name] = totals.get((part, name), 0.0) + value
    return list(totals.values())


def _della(view: View, info: MethodInfo) -> None:
    density, epsilon = _values(view, info, "density"), _values(view, info, "epsilon")
    spread = {(part, model): value for (part, model, *_), value in epsilon.items()}
    for (part, model, tensor, place), value in density.items():
        margin = epsilon.get((part, model, tensor, place), spread.get((part, model), 0.0))
        if 0 < value < 1 and not margin < min(value, 1 - value):
            view.problems.add(
                "parameters.epsilon", f"density ± epsilon leaves 0 to 1: {value:g} ± {margin:g} for {model!r}.",
                f"With this density epsilon must be below {min(value, 1 - value):g}.",
            )  # fmt: skip
            return


# ---- layers and tensors


def _layers(view: View) -> None:
    """Ranges must lie in the models, and the sources of a part be equally long."""
    for part in view.parts:
        lengths = {one.last - one.first for one in part.inputs if one.model in view.models}
        if len(lengths) > 1:
            told = ", ".join(f"{one.model} {one.last - one.first}" for one in part.inputs)
            remedy = "Choose layers with slices:." if part.whole else "Give all sources of a slice as many layers."
            view.problems.add(part.label, f"the sources differ in layers ({told}).", remedy)
        for one in part.inputs:
            seen = view.models.get(one.model)
            if seen and not seen.depth:
                view.problems.add("models", f"the config.json of {one.model!r} names no number of layers.", "Add it.")
            elif seen and one.last > seen.depth:
                view.problems.add(
                    part.label, f"{one.model!r} has {seen.depth} layers; [{one.first}, {one.last}] goes beyond.",
                    f"End it at {seen.depth}: the last number is not included.",
                )  # fmt: skip
    if view.first and not any(part.whole or part.module for part in view.parts):
        _rebuilt(view, view.first)


def _rebuilt(view: View, first: Seen) -> None:
    """What follows from putting layers together anew."""
    count = sum(part.length for part in view.parts)
    lists = [key for key, value in first.config.items() if isinstance(value, list) and len(value) == first.depth > 2]
    for key in lists if count != first.depth else ():
        how = "is gone through again from its start" if key == "layer_types" else "is copied as it is"
        view.note("slices", f"{key} in config.json has an entry a layer ({first.depth}, not {count}): it {how}.",
                  "Check that each layer still has its own kind; loading fails where the length matters.")  # fmt: skip
    moved = [
        (one.model, one.first + n)
        for part in view.parts
        for one in part.inputs[:1]
        for n in range(min(part.length, MOST_LAYERS))
    ]
    if moved != [(moved[0][0], n) for n in range(first.depth)] and len(view.parts[0].inputs) == 1:
        view.note("slices", "layers in a new order answer badly at first.", "Plan a short fine-tuning of the result.")
    if len(view.parts[-1].inputs) > len(view.parts[0].inputs):
        view.note(
            view.parts[-1].label,
            f"the last norm and the head come from its first {len(view.parts[0].inputs)} sources only.",
            "Put the most important model first.",
        )  # fmt: skip


def _alike(view: View) -> None:
    """Every model must have the architecture, the sizes and the tensors of the first."""
    first = view.first
    for other in list(view.models.values())[1:]:
        assert first
        if not alike(view.problems, first, other):
            continue
        for key in BEHAVIOUR:
            if _differ(first, other, key):
                view.note(
                    "models",
                    f"{key} is {_short(other.config[key])} in {other.name!r}, {_short(first.config[key])} in "
                    f"{first.name!r}; the result has the latter.",
                    "Merges across such differences often lose quality.",
                )
        extra = sorted(_keyed(other, first).keys() - _keyed(first, other).keys())
        if extra:
            view.note(
                "models",
                f"{other.name!r} has {len(extra)} tensors that {first.name!r} has not: {extra[0]}.",
                "They are left out, or make the merge fail; best take models of one base.",
            )


def alike(problems: Problems, first: Seen, other: Seen) -> bool:
    """Whether two models have one architecture, its sizes and its tensors; adds the first reasons why not."""
    before = len(problems.found)
    wrong = [key for key in SIZES if _differ(first, other, key)]
    if "?" not in (first.architecture, other.architecture) and other.architecture != first.architecture:
        problems.add(
            "models",
            f"{other.name!r} is a {other.architecture}, {first.name!r} a {first.architecture}.",
            "Only models of one architecture can be merged; choose fine-tunes of one base.",
        )
    elif wrong:
        told = ", ".join(f"{key} {other.config[key]} against {first.config[key]}" for key in wrong)
        problems.add(
            "models",
            f"{other.name!r} has other sizes than {first.name!r}: {told}.",
            "Choose models of one size, best fine-tunes of one base.",
        )
    else:
        _tensors(problems, first, other)
    return len(problems.found) == before


def _differ(first: Seen, other: Seen, key: str) -> bool:
    return key in first.config and key in other.config and first.config[key] != other.config[key]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}…"


def _tensors(problems: Problems, first: Seen, other: Seen) -> None:
    """Tensor by tensor, from headers."""
    mine, theirs = _keyed(first, other), _keyed(other, first)
    missing = sorted(mine.keys() - theirs.keys())
    wrong = sorted(name for name in mine.keys() & theirs.keys() if mine[name] != theirs[name])
    if wrong:
        shapes = f"{min(theirs[wrong[0]])} against {min(mine[wrong[0]])}"
        problems.add(
            "models",
            f"{len(wrong)} tensors of {other.name!r} have other shapes than in {first.name!r}: {wrong[0]} {shapes}.",
            "Choose models of one size.",
        )
    if missing:
        problems.add(
            "models",
            f"{other.name!r} lacks {len(missing)} tensors that {first.name!r} has: {missing[0]}.",
            "Get that model again, or choose another.",
        )


def _keyed(seen: Seen, other: Seen) -> dict[str, set[tuple[int, ...]]]:
    """Shapes by tensor name, or by kind of tensor where two models differ in layers.

    Without buffers and the head, which may be tied; rows of vocabulary tensors are dealt with on their own.
    """
    found: dict[str, set[tuple[int, ...]]] = {}
    for name, (shape, _) in seen.shapes.items():
        if not BUFFERS.search(name) and not (layer_of(name) is None and group_of(name) == "head"):
            key = name if seen.depth == other.depth else re.sub(r"\.\d+\.", ".N.", name, count=1)
            found.setdefault(key, set()).add(shape[1:] if is_vocabulary(name) else shape)
    return found


def _tied(view: View) -> None:
    """Output heads: tied to the embedding in some models, of their own in others."""
    ties = {
        seen.name: bool(seen.config.get("tie_word_embeddings", not _has_head(seen))) for seen in view.models.values()
    }
    for name, tied in ties.items():
        if not tied and not _has_head(view.models[name]):
            view.problems.add("models", f"{name!r} has no output head and does not tie it.", "Get that model again.")
    if not view.first or len(set(ties.values())) < 2:
        return
    own = ", ".join(name for name, tied in ties.items() if not tied)
    if ties[view.first.name]:
        view.note(
            "models", f"{view.first.name!r} ties its head to the embedding, so the heads of {own} are lost.",
            "Make a model with a head of its own the base.",
        )  # fmt: skip
    else:
        view.note(
            "models", f"only {own} have a head of their own; of the others the embedding is taken for it.",
            "That is sound as long as all come from one base.",
        )  # fmt: skip


def _has_head(seen: Seen) -> bool:
    return any(layer_of(name) is None and group_of(name) == "head" for name in seen.shapes)


def _precision(view: View) -> None:
    config = view.recipe.config
    kinds: dict[str, list[str]] = {}
    for seen in view.models.values():
        kinds.setdefault(tensors.NAMES.get(seen.dtype, seen.dtype), []).append(seen.name)
    if len(kinds) > 1:
        told = ", ".join(f"{dtype} in {' and '.join(names)}" for dtype, names in kinds.items())
        view.note("dtype", f"{told}; the result gets {tensors.NAMES[result_dtype(view)]}.", "Set dtype and out_dtype.")
    wide = [dtype for dtype in kinds if dtype != "float16"]
    for where, dtype in (("dtype", config.dtype), ("out_dtype", config.out_dtype)):
        if dtype == "float16" and wide:
            view.note(
                where, f"float16 ends at 65504, {wide[0]} far beyond: large values become infinite.",
                "Use bfloat16 or float32.",
            )  # fmt: skip
    widest = max((BYTES.get(seen.dtype, 4) for seen in view.models.values()), default=8)
    if BYTES[result_dtype(view)] > widest and not config.out_dtype:
        view.note("out_dtype", f"the file gets {config.dtype}, larger than the models.", "Set out_dtype: bfloat16.")


def result_dtype(view: View, maths: bool = False) -> str:
    """safetensors' name of the dtype the result's file (or the maths) has."""
    config = view.recipe.config
    named = config.dtype if maths else config.out_dtype or config.dtype
    if named:
        return FLOATS[named]
    kinds = {seen.dtype for seen in view.models.values()} & set(BYTES)
    return next(iter(kinds)) if len(kinds) == 1 else "F64" if "F64" in kinds else "F32"


def _described(view: View) -> None:
    """Tensors that mergekit's description of an architecture leaves out, and architectures it has none of."""
    first = view.first
    if not first or first.architecture == "?":
        return
    known = _architectures().get(first.architecture)
    if known is None:
        view.note(
            "models", f"mergekit does not list {first.architecture}; it infers the layers from the tensors' names.",
            "That works for most; look at the answers after merging.",
        )  # fmt: skip
        return
    given = view.recipe.config.modules or {}
    for name in given.keys() - known.modules:
        remedy = f"Its parts are: {', '.join(sorted(known.modules))}."
        view.problems.add(f"modules.{name}", f"{first.architecture} has no part {name!r}.", remedy)
    for name in sorted(known.modules - given.keys()) if given else ():
        view.note("modules", f"the part {name!r} is left out of the result.", "Add it unless that is meant.")
    names = {re.sub(r"\d+", "#", name) for name in first.shapes if not BUFFERS.search(name)}
    left = sorted(names - known.tensors)
    if known.tensors and left and len(left) < len(names) / 2 and "expert" not in left[0]:
        view.note(
            "models", f"mergekit's {first.architecture} has no {left[0]}: {len(left)} kinds of tensor go missing.",
            "Look at the answers after merging.",
        )  # fmt: skip


@dataclass
class Described:
    """An architecture in mergekit's words: its tensors (numbers as #; none if it has several parts) and parts."""

    tensors: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)


@functools.cache
def _architectures() -> dict[str, Described]:
    spec = find_spec("mergekit")
    found: dict[str, Described] = {}
    for path in sorted((Path(str(spec.origin)).parent / "_data" / "architectures").glob("*.json")) if spec else ():
        data = json.loads(path.read_text("utf-8"))
        lists = [data.get("pre_weights"), data.get("post_weights"), (data.get("layer_templates") or {}).get("weights")]
        names = {
            re.sub(r"\$\{[^}]*\}|\d+", "#", name)
            for one in (one for entries in lists for one in entries or [])
            for name in (one["name"], *(one.get("aliases") or ()))
        }
        for architecture in data.get("architectures") or []:
            known = found.setdefault(architecture, Described())
            known.tensors |= names
            known.modules |= set(data.get("modules") or ["default"])
    return found


# ---- tokenizers


def _tokenizers(view: View) -> None:
    """Rows of one token must meet: by position unless the recipe names a tokenizer, else by the token's text."""
    for seen in view.models.values():
        if seen.vocabulary is None:
            view.problems.add("models", f"{seen.name!r} has no tokenizer.json.", "Save its tokenizer into its folder.")
    if not view.first or not view.first.vocabulary:
        return
    others = [seen for seen in list(view.models.values())[1:] if seen.vocabulary]
    if view.tokenizer is None:
        for other in others:
            if other.identity in _at_the_ends(view):
                _by_position(view, view.first, other)
    else:
        for other in others:
            _by_text(view, view.first, other)
        _rows(view)
        _token_sources(view)


def _at_the_ends(view: View) -> set[Hashable]:
    """Models whose embeddings or heads go in: the sources of the first and the last part."""
    return {view.key(one.model) for part in (view.parts[0], view.parts[-1]) for one in part.inputs}


def _by_position(view: View, first: Seen, other: Seen) -> None:
    assert first.vocabulary and other.vocabulary
    mine, theirs = first.vocabulary.ids, other.vocabulary.ids
    if mine != theirs:
        places = {place: token for token, place in mine.items()}
        moved = sum(token in mine and mine[token] != place for token, place in theirs.items())
        renamed = sum(token not in mine and place in places for token, place in theirs.items())
        missing, extra = len(mine.keys() - theirs.keys()), len(theirs.keys() - mine.keys())
        if moved or renamed > len(mine) / 100:
            view.problems.add(
                "tokenizer", f"{moved + renamed} tokens have other ids in {other.name!r} than in {first.name!r}, "
                "and rows are merged by position: the result would be garbled.",
                "Add tokenizer: {source: union}, or {source: base} to keep the base's tokens only.",
            )  # fmt: skip
            return
        view.note(
            "tokenizer", f"{other.name!r} has {extra} tokens that {first.name!r} has not and lacks {missing}; "
            f"the result keeps the tokenizer of {first.name!r}.",
            "Add tokenizer: {source: union} to keep all of them.",
        )  # fmt: skip
    if first.rows != other.rows:
        view.problems.add(
            "tokenizer", f"the embedding of {other.name!r} has {other.rows} rows, that of {first.name!r} {first.rows}.",
            "Add tokenizer: {source: base}, or {source: union} to keep all tokens.",
        )  # fmt: skip


def _by_text(view: View, first: Seen, other: Seen) -> None:
    assert first.vocabulary and other.vocabulary
    mine, theirs, result = first.vocabulary.ids, other.vocabulary.ids, result_tokens(view)
    if mine == theirs:
        return
    lost, filled = len(theirs.keys() - result.keys()), len(result.keys() - theirs.keys())
    told = [f"{lost} of its tokens are dropped"] * bool(lost)
    told += [f"the {filled} it lacks take their rows from the models that have them, the base first"] * bool(filled)
    if told:
        view.note("tokenizer", f"{other.name!r}: {'; '.join(told)}.", "Use source: union to drop none." if lost else "")
    if len(mine.keys() & theirs.keys()) < len(mine) / 2:
        view.note(
            "tokenizer", f"{other.name!r} shares fewer than half of its tokens with {first.name!r}.",
            "Such merges rarely work; choose models of one base.",
        )  # fmt: skip


def result_tokens(view: View) -> dict[str, int]:
    """Tokens of the result by id, nearly: those a union adds come after the base's."""
    config, donor = view.recipe.config, view.donor
    found = dict(donor.vocabulary.ids) if donor and donor.vocabulary else {}
    if donor and view.tokenizer in ("base", "union"):
        found = {token: place for token, place in found.items() if place < donor.rows}
    added: list[str] = list((config.tokenizer.tokens if config.tokenizer else None) or {})
    for seen in view.models.values() if view.tokenizer == "union" else ():
        added += [
            token for token, place in (seen.vocabulary.ids if seen.vocabulary else {}).items() if place < seen.rows
        ]
    for token in added:
        found.setdefault(token, len(found))
    return found


def result_rows(view: View) -> int:
    """Rows of the result's embedding: the tokens, rounded up if the recipe says so; without a tokenizer the base's."""
    if view.tokenizer is None:
        return view.first.rows if view.first else 0
    multiple = (view.recipe.config.tokenizer.pad_to_multiple_of if view.recipe.config.tokenizer else None) or 1
    return math.ceil(len(result_tokens(view)) / multiple) * multiple


def _rows(view: View) -> None:
    """Every token needs a row: in the result, and in each model that is said to have the token."""
    result, rows = result_tokens(view), result_rows(view)
    beyond = [token for token, place in result.items() if place >= rows]
    if beyond:
        view.problems.add(
            "tokenizer", f"ids have gaps: {len(beyond)} tokens, such as {beyond[0]!r}, would have no row of {rows}.",
            f"Set pad_to_multiple_of so that {max(result.values()) + 1} rows or more are made, or leave tokenizer out.",
        )  # fmt: skip
    for seen in view.models.values():
        ids = seen.vocabulary.ids if seen.vocabulary else {}
        rowless = [token for token, place in ids.items() if place >= seen.rows and token in result]
        if rowless and seen is not view.first:
            view.problems.add(
                "tokenizer",
                f"{len(rowless)} tokens of {seen.name!r}, such as {rowless[0]!r}, have no row in its embedding.",
                "Take them out of its tokenizer, or resize its embedding.",
            )  # fmt: skip


def _token_sources(view: View) -> None:
    """Where single tokens' rows come from: zero, a model of the recipe, or a token of one."""
    config = view.recipe.config.tokenizer
    for token, one in ((config.tokens if config else None) or {}).items():
        source = one.source if isinstance(one.source, dict) else {"kind": "model", "model": one.source, "token": token}
        kind, model = source.get("kind"), source.get("model")
        where = f"tokenizer.tokens.{token}"
        if kind not in ("zero", "model_token", "model") or (kind != "zero" and _ambiguous(source)):
            remedy = "Give a model, {kind: zero}, or {kind: model_token, model, token}."
            view.problems.add(where, "its source cannot be read.", remedy)
        elif kind != "zero" and str(model) not in view.models:
            view.problems.add(where, f"{model!r} is not among the models merged.", "Take one of the recipe's models.")
        elif kind != "zero" and not _has_token(view.models[str(model)], source):
            told = source.get("token", source.get("token_id"))
            view.problems.add(where, f"{model!r} has no token {told!r}.", "Choose another token or model.")


def _ambiguous(source: dict[str, Any]) -> bool:
    return not source.get("model") or (source.get("token") is None) == (source.get("token_id") is None)


def _has_token(seen: Seen, source: dict[str, Any]) -> bool:
    if source.get("token") is not None:
        return seen.vocabulary is not None and source["token"] in seen.vocabulary.ids
    return isinstance(source["token_id"], int) and 0 <= source["token_id"] < seen.rows


def _padding(view: View) -> None:
    """Rows that round a vocabulary up are dropped when mergekit builds a tokenizer."""
    if view.tokenizer is None or not view.first:
        donor = view.donor
        beyond = (
            [t for t, place in donor.vocabulary.ids.items() if place >= donor.rows]
            if donor and donor.vocabulary
            else []
        )
        if donor and beyond:
            view.note(
                "tokenizer",
                f"{len(beyond)} tokens of {donor.name!r}, such as {beyond[0]!r}, have no row in its embedding.",
                "A text with one of them makes the model fail: take them out of tokenizer.json.",
            )  # fmt: skip
        return
    rows, before = result_rows(view), view.first.rows
    multiple = next((n for n in (64, 32, 16, 8) if before % n == 0), 64)
    if rows % multiple:
        view.note(
            "tokenizer.pad_to_multiple_of",
            f"the embedding goes from {before} to {rows} rows, no multiple of {multiple}: GGUF converters and "
            "tensor-parallel servers may refuse it.",
            f"Set pad_to_multiple_of: {multiple}.",
        )  # fmt: skip


def _templates(view: View) -> None:
    """Chat templates and special tokens: which ones the result gets."""
    donor = view.donor
    if not donor or not donor.vocabulary:
        return
    others = [seen for seen in view.models.values() if seen.vocabulary and seen is not donor]
    unlike = [seen.name for seen in others if seen.vocabulary and seen.vocabulary.template != donor.vocabulary.template]
    given = view.recipe.config.chat_template
    if given and not _is_template(given):
        view.problems.add(
            "chat_template", "it is no template.", f"Give auto, a Jinja template, or one of: {', '.join(_named())}."
        )
    elif unlike and not given:
        gets = f"that of {donor.name!r}" if donor.vocabulary.template else f"none, as {donor.name!r} has none"
        view.note("chat_template", f"{', '.join(unlike)} have another chat template; the result gets {gets}.",
                  "Set chat_template: auto for the most common one, or give one.")  # fmt: skip
    for name in SPECIAL:
        mine = donor.vocabulary.special[name]
        theirs = [f"{one.vocabulary.special[name] or 'none'} in {one.name}" for one in others
                  if one.vocabulary and one.vocabulary.special[name] != mine]  # fmt: skip
        if theirs:
            view.note(
                "tokenizer",
                f"{name} is {mine or 'none'} in {donor.name}, {', '.join(theirs)}; the result has the first.",
                "If answers do not end, this is why: use a template that goes with it." if name == "eos_token" else "",
            )  # fmt: skip


def _is_template(text: str) -> bool:
    return text == "auto" or text in _named() or (len(text) >= 20 and "{" in text)


@functools.cache
def _named() -> list[str]:
    """Chat templates mergekit brings along."""
    spec = find_spec("mergekit")
    folder = Path(str(spec.origin)).parent / "_data" / "chat_templates" if spec else Path()
    return sorted(path.stem for path in folder.glob("*.jinja"))


# ---- what it takes and makes


def _sizes(view: View) -> Estimate:
    """Memory: (models + 2) times the largest tensor in the precision of the maths, and the process itself."""
    loose: dict[str, int] = {}
    largest = 0
    for seen in view.models.values():
        for name, (shape, _) in seen.shapes.items():
            size = math.prod(shape)
            if is_vocabulary(name) and shape:
                size = size // max(1, shape[0]) * result_rows(view)
            if layer_of(name) is None and not BUFFERS.search(name):
                loose.setdefault(name, size)
            largest = max(largest, size)
    parameters = sum(loose.values()) + sum(_layer_size(view, part) for part in view.parts)
    models = max((len(part.inputs) for part in view.parts), default=0)
    memory = PROCESS + (models + 2) * largest * BYTES[result_dtype(view, maths=True)]
    return Estimate(parameters, parameters * BYTES[result_dtype(view)], memory)


def _layer_size(view: View, part: Part) -> int:
    """Parameters of a part's layers, counted in its first source."""
    one = part.inputs[0]
    seen = view.models.get(one.model)
    inner = ((layer_of(name), shape) for name, (shape, _) in (seen.shapes.items() if seen else ()))
    return sum(math.prod(shape) for layer, shape in inner if layer is not None and one.first <= layer < one.last)


def _room(view: View, output: str, estimate: Estimate) -> None:
    """A free name, and room on the disk and in memory."""
    try:
        if output and inside(view.home.models, output, "output").exists():
            view.problems.add("output", f"{output!r} is on the shelf already.", "Choose another name.")
    except UserError as error:
        view.problems.collect("output", error)
    free = shutil.disk_usage(view.home.root).free
    if estimate.bytes > free:
        view.problems.add(
            "output", f"the result takes {human_size(estimate.bytes)}; the disk has {human_size(free)} left.",
            "Delete what is not needed, or set out_dtype to a smaller one.",
        )  # fmt: skip
    available = psutil.virtual_memory().available
    if estimate.memory > available:
        view.note(
            "models", f"merging takes about {human_size(estimate.memory)} of memory; {human_size(available)} are free.",
            "Merge fewer models at once, or set dtype: bfloat16.",
        )  # fmt: skip


def _facts(view: View, estimate: Estimate) -> list[list[str]]:
    config = view.recipe.config
    info = catalogue.methods().get(config.merge_method)
    layers = sum(part.length for part in view.parts)
    made_of = "" if any(part.whole for part in view.parts) else f" from {len(view.parts)} slices"
    tokens = f"{len(result_tokens(view))} tokens" if view.donor and view.donor.vocabulary else "?"
    whose = {"union": "union of all", None: f"that of {view.donor.name}" if view.donor else "?"}
    kinds = [tensors.NAMES[result_dtype(view)], tensors.NAMES[result_dtype(view, maths=True)]]
    return [
        ["Method", info.title if info else config.merge_method],
        ["Models", ", ".join(view.recipe.references())],
        ["Parameters", human_count(estimate.parameters)],
        ["Layers", f"{layers}{made_of}"],
        ["Size on disk", human_size(estimate.bytes)],
        ["Memory", f"about {human_size(estimate.memory)}"],
        ["Tokenizer", f"{whose.get(view.tokenizer, f'that of {view.donor.name}' if view.donor else '?')}, {tokens}"],
        ["Precision", kinds[0] if kinds[0] == kinds[1] else f"{kinds[0]}, maths in {kinds[1]}"],
    ]
