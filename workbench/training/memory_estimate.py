"""How much memory a training takes, part by part, from its settings and the headers of its model. Imports no torch."""

from dataclasses import dataclass, fields

from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.models import tensors
from workbench.models.model_references import Resolved, resolve_setting
from workbench.training.activation_memory import Batch, LayerSizes, activation_bytes, kept_activations
from workbench.training.jobs.train import Train
from workbench.training.weight_facts import FLOAT32_BYTES, WeightFacts, dtype_bytes, frozen_bytes

PADDED = ("grouped", "padded")
OTHER_BYTES = 50_000_000  # tokenizer, rows and the trainer's own objects, in a CPU's memory
HEAP_BLOCK_BYTES = 32 * 2**20  # larger blocks are given back to the system when they are freed, by glibc's malloc
HEAP_HOLES = {True: 0.3, False: 0.75}
"""Bytes that lie unused between the blocks of the C heap, by bytes of activations: where a layer computes in one step,
and where PEFT's adapters free three blocks for each they keep. Measured on glibc 2.36 with the starter model."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes at the moment that needs most of them, by what they hold. other: models that only answer (reference,
    teacher); heap: what the C allocator of a CPU wastes; rest: everything else."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    other: int = 0
    heap: int = 0
    rest: int = 0

    @property
    def total(self) -> int:
        return sum(self.to_dict().values())

    def to_dict(self) -> dict[str, int]:
        return {field.name: int(getattr(self, field.name)) for field in fields(self)}


def estimate_memory(home: Home, job: Train, hardware: Hardware) -> MemoryEstimate:
    """Of a training on this device; raises `UserError` where the model or its files do not tell."""
    source = resolve_setting(home, job, "model")
    hardware = job.in_precision(hardware)
    sizes, held = LayerSizes.of(source.base), job.tuner.weight_facts(source.base, source.adapter, hardware)
    batch = Batch(job.batch_size * job.objective.rows_at_once, job.max_length, hardware, job.batching in PADDED)
    activations = kept_activations(sizes, batch, held, job.gradient_checkpointing)
    if job.activation_offload and hardware.device == "cuda":
        activations = activation_bytes(sizes, batch, held)
    logits = job.objective.loss_bytes(sizes, batch, held)
    trained = held.trained_parameters * FLOAT32_BYTES
    copies = held.trained_parameters * 2 if dtype_bytes(hardware) < FLOAT32_BYTES else 0  # autocast's, of what trains
    table = sizes.vocabulary * sizes.hidden * FLOAT32_BYTES if held.whole else 0
    in_backward = trained if job.gradient_accumulation > 1 else min(table, trained)
    on_cpu = hardware.device in ("cpu", "mps")
    holes = round(HEAP_HOLES[held.whole or held.in_one_step] * activations) if on_cpu and _in_heap(sizes, batch) else 0
    base = {
        "weights": held.frozen_bytes + trained + copies,
        "optimizer": held.state_bytes(job.optimizer),
        "other": _other_models(home, job, source, held, hardware),
        "heap": holes,
        "rest": OTHER_BYTES if on_cpu else 0,
    }
    backward = MemoryEstimate(gradients=in_backward, activations=activations, logits=logits, **base)
    update = MemoryEstimate(gradients=trained, activations=0, logits=0, **base)
    return max(backward, update, key=lambda estimate: estimate.total)


def _in_heap(sizes: LayerSizes, batch: Batch) -> bool:
    return batch.tokens * sizes.inner * FLOAT32_BYTES < HEAP_BLOCK_BYTES


def _other_models(home: Home, job: Train, source: Resolved, held: WeightFacts, hardware: Hardware) -> int:
    """The reference of DPO is the base without its adapter, or a second copy of a whole model; teachers are loaded."""
    needed = job.objective.models_needed(home, source).values()
    loaded = sum(frozen_bytes(tensors.shapes(model.base), hardware) for model in needed)
    reference = held.trained_parameters * FLOAT32_BYTES if job.objective.needs_reference and held.whole else 0
    return loaded + reference
