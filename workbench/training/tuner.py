"""Tuners: which weights are trained, and on what form of the base model. One a file in tuners/.

`AdapterTuner` and `WholeModelTuner` know how what they make is checked, written down and told of; a tuner derives from
one of them and says how the model is loaded.
"""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware, cached_hardware
from workbench.core.home import Home
from workbench.core.lineage import Parent, parent_of, read_manifest
from workbench.core.registry import Method, Registry
from workbench.core.units import human_size
from workbench.models import tensors
from workbench.models.adapter_judge import judge_made, require_sound
from workbench.models.adapters import adapter_kind
from workbench.models.base_settings import scaling_info, write_base_settings
from workbench.models.chat_tokens import write_stops
from workbench.models.model_references import Resolved
from workbench.training.optimizer import Optimizer
from workbench.training.weight_facts import WeightFacts, is_table

LARGE = "The run most likely ran away: lower the learning rate, or start from a model in bfloat16."
TRAINED_BYTES = 16  # bytes a parameter: float32 weight, gradient and Adam's two averages
WEIGHT_AND_GRADIENT_BYTES = 8  # bytes a parameter of these two, in float32


class Tuner(Method):
    """Base of every tuner. `base` and `adapter` are the folders of the model that training starts from."""

    makes: ClassVar[str]
    """The kind of the result, as its manifest says it: 'adapter' or 'model'."""
    averages: ClassVar[bool] = True
    """Whether the checkpoints it leaves can be averaged."""
    saves_disk: ClassVar[str] = "Take a lower rank, keep fewer checkpoints"
    """What takes less disk space."""

    def start(self, source: Resolved, fold: Callable[[Resolved], Resolved]) -> Resolved:
        """What is loaded to be trained; `fold` makes a whole model of an adapter and its base."""
        return source

    @abstractmethod
    def load(self, base: Path, adapter: Path | None, hardware: Hardware) -> Any:
        """The model ready to train: the base with a fresh adapter, or with `adapter` to go on from."""

    @abstractmethod
    def weight_facts(self, base: Path, adapter: Path | None, hardware: Hardware) -> WeightFacts:
        """What it holds in memory before the first step; raises `UserError` on files that cannot be read."""

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        """Why this model cannot be trained this way, or None: found before the job starts."""
        return None

    def check(self, home: Home, source: Resolved, problems: Problems, optimizer: Optimizer | None = None) -> None:
        """Adds what keeps this model from being trained this way; raises `UserError` on files that cannot be read.

        optimizer: what the weights are trained with, AdamW unless it is given.
        """
        if reason := self.reason_against(source.base, source.adapter):
            problems.collect("model", reason)
        else:
            require_sound(home, source.adapter, source.base, idle_too=True)

    def facts(self, base: Path, adapter: Path | None) -> list[list[str]]:
        """More lines for the check before the start, (name, value) each; raises `UserError` on damaged files."""
        return []

    def remarks(self, base: Path) -> list[str]:
        """What is worth knowing of the result when the training begins."""
        return []

    def chosen(self, model: Any) -> dict[str, int]:
        """Which weights of the loaded model an adapter stands on: how many by their name in a layer; {} for all."""
        return {}

    @abstractmethod
    def parents(self, source: Resolved) -> list[Parent]:
        """The models the result was made from, each with its role."""

    def base_of_result(self, base: Path) -> Path | None:
        """The model that the result stands on, or None for one that stands alone."""
        return None

    @abstractmethod
    def save(self, model: Any, base: Path, folder: Path) -> dict[str, Any]:
        """Writes the trained model into the folder; returns what its manifest should say more."""

    def complete(self, folder: Path) -> None:
        """Called when the tokenizer lies in the folder of the result too."""

    def judged(self, home: Home, base: Path, folder: Path) -> list[str]:
        """What is worth knowing of the result once it is on the shelf."""
        return []


class AdapterTuner(Tuner):
    """Base of the tuners that train an adapter of PEFT's."""

    makes: ClassVar[str] = "adapter"

    def remarks(self, base: Path) -> list[str]:
        if not read_manifest(base).info.get("masked"):
            return []
        return ["Folded in, this adapter fills the zeros of the pruned model; the tuner 'full' keeps them."]

    def parents(self, source: Resolved) -> list[Parent]:
        """An adapter stands on its base, and may have gone on from another."""
        start = [parent_of(source.adapter, "start")] if source.adapter else []
        return [parent_of(source.base, "base"), *start]

    def base_of_result(self, base: Path) -> Path | None:
        return base

    def save(self, model: Any, base: Path, folder: Path) -> dict[str, Any]:
        from workbench.models.loading import asked_settings

        model.save_pretrained(folder, selected_adapters=["default"])
        settings = asked_settings(model)
        write_base_settings(folder, settings)
        return scaling_info(settings)

    def judged(self, home: Home, base: Path, folder: Path) -> list[str]:
        """That a run changed nothing: it was stopped before its first step."""
        return judge_made(home, folder, base)


class WholeModelTuner(Tuner):
    """Base of the tuners whose result is a whole model, trained in float32 and saved in the type of its start.

    An adapter to start from is folded into its base first, in the job's folder.
    """

    makes: ClassVar[str] = "model"
    averages: ClassVar[bool] = False
    saves_disk: ClassVar[str] = "Use LoRA"

    def memory(self, base: Path, optimizer: Optimizer | None = None) -> int:
        """Bytes that weights, gradients and optimizer take while it trains, AdamW unless it is given."""
        if optimizer is None:
            return tensors.summary(base).parameters * TRAINED_BYTES
        kept = sum(optimizer.state_bytes(shape, is_table(name)) for name, shape, _ in tensors.shapes(base))
        return tensors.summary(base).parameters * WEIGHT_AND_GRADIENT_BYTES + kept

    def weight_facts(self, base: Path, adapter: Path | None, hardware: Hardware) -> WeightFacts:
        shapes = [(name, shape) for name, shape, _ in tensors.shapes(base)]
        tables = frozenset(shape for name, shape in shapes if is_table(name))
        return WeightFacts(0, tuple(shape for _, shape in shapes), whole=True, tables=tables)

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        if adapter and (kind := adapter_kind(adapter)).unfoldable:
            return UserError(f"{adapter.name!r} cannot be folded: it {kind.unfoldable}.", "Use LoRA.", "tuner")
        if tensors.model_config(base).get("quantization_config"):
            return UserError(f"{base.name!r} is quantized.", "Train the model it was made from, or use LoRA.", "model")
        return None

    def check(self, home: Home, source: Resolved, problems: Problems, optimizer: Optimizer | None = None) -> None:
        super().check(home, source, problems, optimizer)
        hardware = cached_hardware(home)
        available = hardware.ram if hardware.device in ("cpu", "mps") else hardware.memory
        required = self.memory(source.base, optimizer)
        if 0 < available < required:
            message = f"training all weights takes {human_size(required)} of memory, there are {human_size(available)}."
            problems.add("tuner", message, "Use LoRA, an optimizer that keeps less, or free some space.")

    def facts(self, base: Path, adapter: Path | None) -> list[list[str]]:
        memory = [["Memory", f"{human_size(self.memory(base))} for weights, gradients and AdamW"]]
        return [*([["Start", f"{adapter.name}, folded into {base.name} first"]] if adapter else []), *memory]

    def start(self, source: Resolved, fold: Callable[[Resolved], Resolved]) -> Resolved:
        return fold(source)

    def parents(self, source: Resolved) -> list[Parent]:
        return [parent_of(folder, "start") for folder in source.folders]

    def save(self, model: Any, base: Path, folder: Path) -> dict[str, Any]:
        """Raises `UserError` when a weight is too large for the type of the start."""
        import torch

        from workbench.models.casting import cast

        dtype = getattr(torch, tensors.summary(base).dtype)
        for name, weight in model.named_parameters():
            cast(name, weight.detach(), dtype, LARGE, ("objective", "learning_rate"))
        model.to(dtype).save_pretrained(folder, max_shard_size="2GB")
        return {}

    def complete(self, folder: Path) -> None:
        write_stops(folder)


TUNERS: Registry[Tuner] = Registry("tuner", "workbench.training.tuners")
