"""What a merge method takes: its parameters, the base, and how many models."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """One setting of a method, shown as `label`.

    scope: 'shared' (one value), 'input' (one a model) or 'non_base' (not for the base).
    """

    name: str
    kind: str  # float, int or bool
    scope: str
    default: Any = None
    required: bool = False
    low: float | None = None
    high: float | None = None
    help: str = ""
    label: str = ""


@dataclass(frozen=True)
class MethodInfo:
    """One method. base: 'required', 'optional', 'forbidden' or 'ignored'.

    Counts of models are inclusive, None is no limit; `least` and `most` count the base, the other two do not.
    kernel: 'stock' (mergekit's own), 'fast' (ours for a method of mergekit's) or 'own' (ours alone).
    """

    name: str
    title: str
    summary: str
    url: str
    base: str
    parameters: tuple[Parameter, ...]
    least: int = 1
    most: int | None = None
    least_others: int | None = None
    most_others: int | None = None
    kernel: str = "stock"

    def parameter(self, name: str) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
