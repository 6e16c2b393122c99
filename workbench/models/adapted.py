"""An adapter in place on its base without weights: what it promises, and what PEFT makes of it, module by module.

PEFT builds its own layers on the hollow base and reads the adapter's file into them. A merge gives one of these
layers the real weights of its module, calls PEFT's `merge`, and takes the weights out again, so that memory stays at
a few tensors. Imports torch and peft: only job and child processes import this.
"""

import copy
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper, ModulesToSaveWrapper
from safetensors.torch import load_file
from torch import Tensor, nn

from workbench.core.errors import UserError
from workbench.models import tensors
from workbench.models.adapters import FROM_BASE, SAVE_AGAIN, AdapterKind, adapter_kind
from workbench.models.base_settings import settings_over
from workbench.models.hollow import Hollow, ParameterLayout, Read, hollow

SLOT = "default"
SIZES = re.compile(r"size mismatch for (\S+): copying a param with shape torch.Size\(\[(.*?)\]\).*?Size\(\[(.*?)\]\)")


class Adapted:
    """An adapter and its base, their modules joined, the adapter's weights alone in memory.

    Raises `UserError` when the adapter cannot be used here, its file lacks what its configuration promises or holds
    more than that, or its base is another.
    """

    def __init__(self, base: Path, adapter: Path):
        self.base, self.adapter = base, adapter
        self.kind: AdapterKind = adapter_kind(adapter)
        self.kind.require_usable(adapter.name)
        settings_over(base, adapter)  # raises where the base cannot have the positions it asks for
        self.shapes = {name: shape for name, shape, _ in tensors.shapes(base)}
        self.hollow: Hollow = hollow(base, self.kind.rows)
        self.tied: dict[str, str] = dict(getattr(self.hollow.model, "all_tied_weights_keys", None) or {})
        self.layout = ParameterLayout(self.hollow, self.shapes)
        self._model: Any = None
        if self.kind.is_prompt:
            self._check_prompt()
        else:
            self._join()

    # ---- joining -------------------------------------------------------------------------------------------

    def _join(self) -> None:
        config = PeftConfig.from_pretrained(str(self.adapter))
        self._start = getattr(config, "init_lora_weights", True)
        if hasattr(config, "init_lora_weights"):
            config.init_lora_weights = True  # on weights that are not there nothing can be computed
        try:
            low = not self.kind.config.get("layer_replication")  # PEFT cannot share weights while it makes them empty
            self._model = PeftModel(self.hollow.model, config, SLOT, low_cpu_mem_usage=low)
        except ValueError as error:
            raise self._other_base(str(error).splitlines()[0][:300]) from error
        self._load()
        self._check_promise()

    def _load(self) -> None:
        for module in self._model.modules():
            if isinstance(module, BaseTunerLayer):  # PEFT moves weights to where the base is: here that is nowhere
                module._move_adapter_to_device_of_base_layer = _stay  # type: ignore[method-assign]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result: Any = set_peft_model_state_dict(
                    self._model, load_file(self.adapter / "adapter_model.safetensors"), SLOT, low_cpu_mem_usage=True
                )
            except KeyError as error:
                raise self._incomplete([str(error.args[0])]) from None
            except RuntimeError as error:
                if not (match := SIZES.search(str(error))):
                    raise
                name, have, need = match.groups()
                have, need = (size.replace(", ", " × ") for size in (have, need))
                raise self._other_base(f"{_short(name)} is {have} in the adapter, the base needs {need}.") from None
        modules = dict(self._model.named_modules())
        copies = {
            f"{name}.modules_to_save" for name, module in modules.items() if isinstance(module, ModulesToSaveWrapper)
        }
        # PEFT saves a resized embedding twice, once under a name that it does not read itself
        if strange := sorted(name for name in result.unexpected_keys if name.rpartition(".")[0] not in copies):
            raise self._unexpected(strange)

    def _check_promise(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            promised = get_peft_model_state_dict(self._model, adapter_name=SLOT, save_embedding_layers=False)
        if missing := sorted(name for name, tensor in promised.items() if tensor.is_meta):
            raise self._incomplete(missing)
        if not promised:
            raise UserError(f"The adapter {self.adapter.name!r} changes no layer: it does nothing.", SAVE_AGAIN, "path")

        held = {*self.replaced()}
        for name, unit in self.units():
            held |= set(self.changed(unit, name)) if isinstance(unit, ModulesToSaveWrapper) else set()
        for name, have, need in self.hollow.mismatched:
            if self.kind.rows and name not in held:
                raise UserError(
                    f"The adapter {self.adapter.name!r} was trained on a base with {need[0]} rows in {name}, where"
                    f" {self.base.name!r} has {have[0]}, and does not hold them.",
                    "Save the resized base whole, import it, and import the adapter over that.", "base",
                )  # fmt: skip

    def _incomplete(self, missing: list[str]) -> UserError:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return UserError(
            f"The adapter {self.adapter.name!r} lacks {_short(missing[0])}{more}, which its configuration promises.",
            SAVE_AGAIN, "path",
        )  # fmt: skip

    def _unexpected(self, names: list[str]) -> UserError:
        module = _short(names[0]).rpartition(".lora_")[0] or _short(names[0]).rpartition(".")[0]
        modules = dict(self.hollow.model.named_modules())
        if module not in modules and module.removesuffix(".base_layer") not in modules:
            return self._other_base(f"the base has no layer {module}.")
        return UserError(
            f"The adapter {self.adapter.name!r} holds {_short(names[0])}, of which its configuration says nothing.",
            SAVE_AGAIN, "path",
        )  # fmt: skip

    def _other_base(self, why: str) -> UserError:
        return UserError(why, f"This adapter was trained on another base than {self.base.name!r}.", "base")

    def _check_prompt(self) -> None:
        config = self.kind.config
        names = {name: shape for name, shape, _ in tensors.shapes(self.adapter)}
        if "prompt_embeddings" not in names:
            raise self._incomplete(["prompt_embeddings"])
        text = self.hollow.model.config.get_text_config()
        count, width = int(config["num_virtual_tokens"]), int(config["token_dim"])
        if self.kind.type == "PREFIX_TUNING":
            width *= 2 * int(config["num_layers"])
            fits = int(config["num_layers"]) == text.num_hidden_layers
        else:
            fits = width == text.hidden_size
        if names["prompt_embeddings"][-1] != width or not fits:
            raise self._other_base(f"{count} virtual tokens of width {names['prompt_embeddings'][-1]} do not fit it.")

    # ---- merging -------------------------------------------------------------------------------------------

    def units(self) -> Iterator[tuple[str, Any]]:
        """(name in the base, PEFT's layer) of every module that the adapter changes, outermost each."""
        inside = "\0"
        for name, module in self.hollow.model.named_modules():
            if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper) and not name.startswith(inside):
                inside = f"{name}."
                yield name, module

    def replaced(self) -> dict[str, Tensor]:
        """The base's own parameters that the adapter's file holds whole: biases, a resized embedding."""
        own: dict[int, str] = {}
        for name, unit in self.units():
            own |= {id(parameter): "" for parameter in unit.parameters()}
            own |= {id(parameter): f"{name}.{path}" for path, parameter in base_module(unit).named_parameters()}
        parameters = {}
        for name, parameter in self.hollow.model.named_parameters():
            if not parameter.is_meta and (path := own.get(id(parameter), name)):
                parameters[path] = parameter.detach()
        return parameters

    def changed(self, unit: Any, name: str) -> list[str]:
        """The base's parameters that a unit changes."""
        if isinstance(unit, ModulesToSaveWrapper):
            return [f"{name}.{path}" for path, _ in unit.modules_to_save[SLOT].named_parameters()]
        inner = base_module(unit)
        return [f"{name}.{path}" for path, _ in inner.named_parameters()]

    def merge(self, unit: Any, name: str, get: Read) -> dict[str, Tensor]:
        """The parameters of a unit with the adapter added, in float32; `get` reads one of the base's."""
        if isinstance(unit, ModulesToSaveWrapper):
            return {f"{name}.{path}": value.detach() for path, value in unit.modules_to_save[SLOT].named_parameters()}
        work: Any = copy.deepcopy(unit)
        layer = getattr(work, "token_adapter", work)
        for parameter in work.parameters():
            if not parameter.is_meta:
                parameter.data = parameter.data.float()
        fill_weights(base_module(layer), name, get)
        with torch.no_grad():
            for wrapper in reversed(layers_of(layer)):
                if self._start in FROM_BASE:
                    take_start_out(wrapper, str(self._start))
                wrapper.merge(safe_merge=False, adapter_names=[SLOT])
        return {f"{name}.{path}": value.detach() for path, value in base_module(layer).named_parameters()}

    def check_biases(self) -> None:
        """Raises `UserError` where PEFT could not merge: a LoRA bias over a layer that has none."""
        for name, unit in self.units():
            bias = any(getattr(lora_b, "bias", None) is not None for lora_b in getattr(unit, "lora_B", {}).values())
            if bias and getattr(base_module(unit), "bias", None) is None:
                raise UserError(
                    f"{self.adapter.name!r} cannot be folded: it adds a bias to {name}, which has none in the base.",
                    "Chat with it as it is, over its base; or train it without lora_bias.", "model",
                )  # fmt: skip


def base_module(unit: Any) -> Any:
    """The base's own module under PEFT's layers."""
    unit = getattr(unit, "original_module", getattr(unit, "token_adapter", unit))
    while isinstance(unit, BaseTunerLayer):
        unit = getattr(unit, "base_layer")  # noqa: B009
    return unit


def layers_of(layer: Any) -> list[Any]:
    """PEFT's layers around one module, outermost first: several where several of its parameters are changed."""
    layers = []
    while isinstance(layer, BaseTunerLayer):
        layers.append(layer)
        layer = getattr(layer, "base_layer")  # noqa: B009
    return layers


def fill_weights(module: nn.Module, name: str, get: Read) -> None:
    """Puts real weights in float32, or float64 if they are that, in the place of those on the meta device."""
    for path, parameter in list(module.named_parameters()):
        value = get(f"{name}.{path}") if parameter.is_meta else parameter.data
        owner, _, last = path.rpartition(".")
        wide = value.to(torch.promote_types(value.dtype, torch.float32))
        setattr(module.get_submodule(owner), last, nn.Parameter(wide, requires_grad=False))


def take_start_out(layer: Any, how: str) -> None:
    """Takes out of the base what PiSSA and OLoRA start from, by PEFT's own code; the adapter's matrices stay."""
    held = {
        name: matrix.weight.data.clone()
        for name, matrix in (("lora_A", layer.lora_A[SLOT]), ("lora_B", layer.lora_B[SLOT]))
    }
    layer.pissa_init(SLOT, how) if how == "pissa" else layer.olora_init(SLOT)
    for name, value in held.items():
        getattr(layer, name)[SLOT].weight.data = value


def _stay(*_: object, **__: object) -> None:
    """In the place of PEFT's move of an adapter's weights."""


def _short(name: str) -> str:
    return name.removeprefix("base_model.model.").replace(f".{SLOT}", "")
