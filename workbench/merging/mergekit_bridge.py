"""One of our methods in the shape mergekit calls. Imports mergekit: only job processes import this."""

from dataclasses import replace
from typing import Any, Literal

import torch
from mergekit.merge_methods.base import (
    MISSING,
    BasePolicy,
    GroupMergeMethod,
    InputContract,
    MergeMethodSpec,
    OptionalTensorPolicy,
    ParameterScope,
    ParameterSpec,
    PerInputValues,
    TensorGroup,
)
from mergekit.merge_methods.registry import _METHODS as registered

from workbench.merging.method import METHODS, MergeMethod
from workbench.merging.parameters import MethodInfo, Parameter

_STOCK: dict[str, Any] = {}  # mergekit's methods that ours stand in for
KINDS = {"bool": bool, "int": int, "float": float}


class Adapter(GroupMergeMethod):
    """Hands `merge` the base's tensor, the others' and the parameters."""

    def __init__(self, method: type[MergeMethod], stock: Any = None):
        """`stock` is the method of mergekit's this one stands in for; both treat missing tensors alike."""
        self.method = method
        policy = stock.spec.optional_tensor_policy if stock else OptionalTensorPolicy.ERROR
        self.spec = replace(_spec(method.info("own")), optional_tensor_policy=policy)

    def merge_group(self, group: TensorGroup, /, **parameters: Any) -> torch.Tensor:
        entries = group.entries if self.method.base == "ignored" else group.non_base
        base = None if self.method.base == "ignored" or group.base is None else group.base.tensor
        values = {name: _listed(value, entries) for name, value in parameters.items()}
        return self.method.merge(base, [entry.tensor for entry in entries], **values)


def _listed(value: Any, entries: Any) -> Any:
    return value.values_for(entries) if isinstance(value, PerInputValues) else value


def _spec(info: MethodInfo) -> MergeMethodSpec:
    return MergeMethodSpec(
        name=info.name,
        pretty_name=info.title,
        reference_url=info.url,
        parameters=tuple(_parameter(parameter, info.base) for parameter in info.parameters),
        contract=InputContract(BasePolicy(info.base), info.least, info.most, info.least_others, info.most_others),
    )


def _parameter(parameter: Parameter, base: str) -> ParameterSpec:
    per_input = ParameterScope.INPUT if base == "ignored" else ParameterScope.NON_BASE
    scope = ParameterScope.SHARED if parameter.scope == "shared" else per_input
    return ParameterSpec(
        parameter.name, KINDS[parameter.kind], scope, MISSING if parameter.required else parameter.default
    )


def register_with_mergekit(kernels: Literal["fast", "stock"]) -> None:
    """Makes mergekit know our methods, for this process.

    `fast`: ours stand in for mergekit's of the same name. `stock`: those are its own again, only new ones are ours.
    """
    for method in METHODS:
        name = method.method
        if name in registered and not isinstance(registered[name], Adapter):
            _STOCK[name] = registered[name]
        registered[name] = _STOCK[name] if kernels == "stock" and name in _STOCK else Adapter(method, _STOCK.get(name))
