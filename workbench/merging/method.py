"""Merge methods of our own: a class a file in workbench/merging/methods, registered with mergekit when a merge runs.

One that bears the name of a mergekit method takes its place (and must give what it gives); another is new.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, Field

from workbench.core.described import DescribedField, describe
from workbench.core.registry import Method, Registry
from workbench.merging.parameters import MethodInfo, Parameter

if TYPE_CHECKING:
    from torch import Tensor


KINDS = {"number": "float", "integer": "int", "boolean": "bool"}


class MergeMethod(Method):
    """Base of our methods. The fields are its parameters; `per_model` makes one that each model has its own value of.

    url: the paper. base: 'required', 'optional' or 'ignored'. least: fewest models, the base counted.
    """

    model_config = ConfigDict(serialize_by_alias=True)  # `lambda` is no name for a field in Python

    url: ClassVar[str]
    base: ClassVar[str] = "required"
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = None

    @classmethod
    @abstractmethod
    def merge(cls, base: "Tensor | None", others: "list[Tensor]", **parameters: Any) -> "Tensor":
        """One output tensor from the base's and the other models' tensors of one shape, dtype and device.

        Per-model parameters come as lists in the order of `others`, the rest as plain values, under the names they
        have in YAML.
        """

    @classmethod
    def info(cls, kernel: str) -> MethodInfo:
        parameters = tuple(_parameter(field) for field in describe(cls).fields)
        return MethodInfo(
            cls.method, cls.title, cls.summary(), cls.url, cls.base, parameters, cls.least, cls.most, kernel=kernel
        )


def per_model(default: Any = ..., **options: Any) -> Any:
    """A field with one value for each model but the base; without a default it must be given."""
    return Field(default, json_schema_extra={"x-scope": "non_base"}, **options)


def _parameter(field: DescribedField) -> Parameter:
    bounds = field.bounds
    return Parameter(
        name=field.name,
        kind=KINDS[field.type],
        scope=field.scope or "shared",
        default=field.default,
        required=field.required,
        low=bounds.get("minimum", bounds.get("exclusiveMinimum")),
        high=bounds.get("maximum", bounds.get("exclusiveMaximum")),
        help=field.help,
        label=field.full_label,
    )


METHODS: Registry[MergeMethod] = Registry("merge method", "workbench.merging.methods")
