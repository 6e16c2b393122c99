"""How much disk space a training takes, by what lies there when it is most. Imports no torch."""

from dataclasses import dataclass, fields

from workbench.core.hardware import cached_hardware
from workbench.core.home import Home
from workbench.models import tensors
from workbench.models.chat_tokens import TOKENIZER_FILES
from workbench.models.model_references import Resolved
from workbench.training.optimizer import Optimizer
from workbench.training.tuner import Tuner
from workbench.training.weight_facts import FLOAT32_BYTES

SNAPSHOTS = 2  # weights of the best evaluation, and of the one before it until the next checkpoint is there
CHECKPOINT_REST_BYTES = 32_000  # random state, arguments, history and cards; measured
TENSOR_BYTES = 300  # of a tensor's name and place in a checkpoint's archive; measured


@dataclass(frozen=True)
class DiskEstimate:
    """Bytes: of the checkpoints, of the best evaluation's weights, of the start folded from an adapter, of the
    result."""

    checkpoints: int
    best: int
    folded: int
    result: int

    @property
    def total(self) -> int:
        return sum(self.to_dict().values())

    def to_dict(self) -> dict[str, int]:
        return {field.name: int(getattr(self, field.name)) for field in fields(self)}


def estimate_disk(
    home: Home, tuner: Tuner, optimizer: Optimizer, source: Resolved, checkpoints: int, keeps_best: bool = False
) -> DiskEstimate:
    """Of a training that has at most so many checkpoints at once; raises `UserError` on files that cannot be read.

    A checkpoint holds the weights in float32 (all of a whole model, else the adapter's), what the optimizer keeps of
    those that train, and the tokenizer.
    """
    facts = tuner.weight_facts(source.base, source.adapter, cached_hardware(home))
    base = tensors.summary(source.base)
    folder = source.home_of_template
    tokenizer = sum(path.stat().st_size for name in TOKENIZER_FILES if (path := folder / name).is_file())
    weights = (base.parameters if facts.whole else facts.trained_parameters) * FLOAT32_BYTES
    rest = tokenizer + CHECKPOINT_REST_BYTES + len(facts.trained) * TENSOR_BYTES
    return DiskEstimate(
        checkpoints=checkpoints * (weights + facts.state_bytes(optimizer) + rest),
        best=SNAPSHOTS * facts.trained_parameters * FLOAT32_BYTES if keeps_best else 0,
        folded=base.size if facts.whole and source.adapter else 0,
        result=(base.size if facts.whole else weights) + tokenizer,
    )
