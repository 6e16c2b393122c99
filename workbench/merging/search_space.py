"""What a search for a recipe may try: methods, and for each its parameters and their ranges."""

from dataclasses import dataclass
from typing import Any, Protocol

from workbench.merging import catalogue
from workbench.merging.parameters import MethodInfo

DEFAULT = ("linear", "slerp", "task_arithmetic", "ties", "dare_ties", "della")
GROUPS = (("attn", "attention"), ("mlp", "mlp"), ("", "rest"))  # part of a tensor's name, and the word for it
STEP = 0.01
SHARED = {  # parameter → lowest, highest, start
    "density": (0.2, 0.8, 0.5),
    "gamma": (0.0, 0.1, 0.01),
    "select_topk": (0.1, 1.0, 0.5),
}
INERT = {("task_arithmetic", "density")}  # listed by mergekit, which keeps every change there
EPSILON = 0.1  # density ± epsilon must lie within 0 and 1


class Choices(Protocol):
    """Gives the value of a parameter: drawn by a sampler, or where to start."""

    def number(self, name: str, low: float, high: float, start: float) -> float: ...


class TrialValues:
    """The values an optuna trial draws, in steps of 0.01: finer ones would mean nothing."""

    def __init__(self, trial: Any):
        self._trial = trial

    def number(self, name: str, low: float, high: float, start: float) -> float:
        return round(float(self._trial.suggest_float(name, low, high, step=STEP)), 2)


class Start:
    """The values to start from; `given` collects them by name."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def number(self, name: str, low: float, high: float, start: float) -> float:
        self.given[name] = start
        return start


@dataclass(frozen=True)
class Space:
    """The recipes searched. `base` may be one of the models, another one, or '' for none.

    With `groups` attention, MLP and the rest have weights of their own. Parameters are named method.parameter…, since
    what is good for one method says nothing of another.
    """

    models: tuple[str, ...]
    base: str = ""
    methods: tuple[str, ...] = DEFAULT
    groups: bool = False

    def reason(self, name: str) -> str:
        """Why this method cannot be tried with these models, or ''."""
        info = catalogue.method(name)
        unknown = [
            parameter.name
            for parameter in info.parameters
            if parameter.required and parameter.name not in ("weight", "t")
        ]
        if info.name == "passthrough" or unknown:
            return "it is not for mixing whole models"
        if self._is_pair(info):
            return "" if len(self._pair()) == 2 else "it takes exactly two models"
        if info.base == "required" and not self.base:
            return "it needs a base model"
        count, others = len(self._inputs(info)), len(self._carriers(info))
        bounds = ((count, info.least, info.most), (others, info.least_others, info.most_others))
        if any((low and have < low) or (high and have > high) for have, low, high in bounds) or not others:
            return f"it does not take {others} models" + (" besides the base" if self._with_base(info) else "")
        return ""

    def usable(self) -> list[str]:
        return [name for name in self.methods if not self.reason(name)]

    def draw(self, trial: Any) -> dict[str, Any]:
        """A recipe with every value drawn by an optuna trial."""
        return self.recipe(str(trial.suggest_categorical("method", self.usable())), TrialValues(trial))

    def starts(self) -> list[dict[str, Any]]:
        """For every method the middle of the road, which the search tries first: {'method', parameter: value}."""
        starts = []
        for name in self.usable():
            start = Start()
            self.recipe(name, start)
            starts.append({"method": name, **start.given})
        return starts

    def recipe(self, name: str, choices: Choices) -> dict[str, Any]:
        """mergekit's configuration of one method with the values that `choices` gives."""
        info = catalogue.method(name)
        recipe: dict[str, Any] = {"merge_method": name}
        if self._is_pair(info):
            recipe["base_model"] = self._pair()[0]
        elif self._with_base(info):
            recipe["base_model"] = self.base
        weights = self._weights(info, choices) if info.parameter("weight") else {}
        shared = self._shared(info, choices)
        inputs = self._pair() if self._is_pair(info) else self._carriers(info)
        recipe["models"] = [
            {"model": model, "parameters": {"weight": weights[model]}} if weights else {"model": model}
            for model in inputs
        ]
        return {**recipe, "parameters": shared} if shared else recipe

    def _shared(self, info: MethodInfo, choices: Choices) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if info.parameter("t"):
            values["t"] = self._by_group(info.name, "t", choices, 0.0, 1.0, 0.5)
        for name, (low, high, start) in SHARED.items():
            if info.parameter(name) and (info.name, name) not in INERT:
                values[name] = choices.number(f"{info.name}.{name}", low, high, start)
        if info.parameter("epsilon") and info.parameter("density"):
            values["epsilon"] = EPSILON
        if info.parameter("lambda") and _relative(info):  # without normalizing, lambda does what the weights do
            values["lambda"] = choices.number(f"{info.name}.lambda", 0.3, 1.5, 1.0)
        return values

    def _weights(self, info: MethodInfo, choices: Choices) -> dict[str, Any]:
        """Each model's weight. Of two relative ones only the second's share is free, of a single one nothing."""
        models = self._carriers(info)
        if not _relative(info):
            start = round(1 / len(models), 2)
            return {model: self._weight(info, model, choices, 0.0, 1.2, start) for model in models}
        if len(models) == 1:
            return {models[0]: 1.0}
        if len(models) > 2:
            return {model: self._weight(info, model, choices, 0.05, 1.0, 0.5) for model in models}
        share = self._by_group(info.name, f"share.{models[1]}", choices, 0.0, 1.0, 0.5)
        return {models[0]: _rest_of(share), models[1]: share}

    def _weight(self, info: MethodInfo, model: str, choices: Choices, low: float, high: float, start: float) -> Any:
        return self._by_group(info.name, f"weight.{model}", choices, low, high, start)

    def _by_group(self, method: str, name: str, choices: Choices, low: float, high: float, start: float) -> Any:
        """One value, or one for attention, MLP and the rest as mergekit's filters write it."""
        if not self.groups:
            return choices.number(f"{method}.{name}", low, high, start)
        values = [
            (filter_text, choices.number(f"{method}.{name}.{word}", low, high, start)) for filter_text, word in GROUPS
        ]  # the first that fits counts, so the rest comes last
        return [
            {"filter": filter_text, "value": value} if filter_text else {"value": value}
            for filter_text, value in values
        ]

    def _with_base(self, info: MethodInfo) -> bool:
        return info.base == "required" and bool(self.base)

    def _carriers(self, info: MethodInfo) -> list[str]:
        return [model for model in self.models if not (self._with_base(info) and model == self.base)]

    def _inputs(self, info: MethodInfo) -> list[str]:
        return [*([self.base] if self._with_base(info) else []), *self._carriers(info)]

    @staticmethod
    def _is_pair(info: MethodInfo) -> bool:
        return info.base == "required" and info.most == 2

    def _pair(self) -> list[str]:
        """Two models, or the base and the only other one."""
        if len(self.models) == 2:
            return list(self.models)
        return list(dict.fromkeys([self.base, *self.models])) if self.base else list(self.models)


def _relative(info: MethodInfo) -> bool:
    """Whether only the proportions of the weights matter, since the method divides by their sum."""
    normalize = info.parameter("normalize") or info.parameter("normalize_weights")
    return info.name == "nuslerp" or bool(normalize and normalize.default)


def _rest_of(share: Any) -> Any:
    if isinstance(share, list):
        return [{**entry, "value": round(1 - entry["value"], 2)} for entry in share]
    return round(1 - share, 2)
