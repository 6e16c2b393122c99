"""What the reference of DPO thinks of each answer: computed once a pair, kept beside the run's checkpoints.

The reference does not change, so its log-probabilities are those of the first time a pair is met: an epoch after the
first, and an evaluation after the first, need no forward pass of the reference. Nothing is computed that a short run
does not need, and a run that goes on reads the very bits it had.

Imports torch and trl: only job processes import this.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

ROW_NUMBERS = "row_numbers"


class ReferenceLogProbs:
    """(pairs, 2) float32 in a file of NumPy's, chosen and rejected; NaN for pairs that were not met yet."""

    def __init__(self, path: Path, pairs: int):
        if not path.exists():
            partial = path.with_suffix(".partial")
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.save(file, np.full((pairs, 2), np.nan, dtype=np.float32))
            partial.rename(path)
        self._values = np.load(path, mmap_mode="r+")

    def known(self, rows: Any) -> Any:
        """(rows, 2): what is known of these pairs, NaN otherwise."""
        return torch.from_numpy(self._values[rows.cpu().numpy()])

    def learn(self, rows: Any, values: Any) -> Any:
        """Keeps what was not known yet; what is known of these pairs from now on."""
        numbers = rows.cpu().numpy()
        before = self._values[numbers]
        self._values[numbers] = np.where(np.isnan(before), values.float().cpu().numpy(), before)
        return self.known(rows)


def remembering_reference(trainer: type[Any]) -> type[Any]:
    """A trainer derived from DPOTrainer that asks the reference once a pair; its batches number their pairs."""

    class Remembering(trainer):
        references: dict[str, ReferenceLogProbs]
        offsets: ClassVar[dict[str, list[float]]] = {}
        """By how many nats the chosen answer must be further ahead than the reference's, by split and pair; ODPO."""

        def remember_reference(self, sizes: dict[str, tuple[str, int]]) -> None:
            """`sizes` are key and number of the pairs by split."""
            folder = Path(self.args.output_dir)
            self.references = {
                split: ReferenceLogProbs(folder / f"reference-{split}-{key}.npy", pairs)
                for split, (key, pairs) in sizes.items()
            }
            self.precompute_ref_logps = True  # TRL's word for 'the batch brings them'

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **settings: Any) -> Any:
            rows = inputs.pop(ROW_NUMBERS)
            split = "train" if self.model.training else "eval"
            known = self.references[split]
            values = known.known(rows)
            if torch.isnan(values).any():
                values = known.learn(rows, torch.stack(self.compute_ref_log_probs(self.ref_model or model, inputs), 1))
            chosen, rejected = values.to(inputs["input_ids"].device).unbind(1)
            if split in self.offsets:
                chosen = chosen + torch.tensor(
                    [self.offsets[split][row] for row in rows.tolist()], device=chosen.device
                )
            batch = {**inputs, "ref_chosen_logps": chosen, "ref_rejected_logps": rejected}
            return super().compute_loss(model, batch, *args, **settings)

    return Remembering
