"""Evaluation losses that do not depend on the batch size: means over tokens or pairs, not means of batch means.

transformers averages the batches' losses as if all had as many tokens, the last and smaller one included.
"""

from collections import defaultdict
from typing import Any

from workbench.rendering.rendered import IGNORED

NOT_AVERAGED = ("num_tokens",)
PAIRS, CHOSEN, REJECTED = "pairs", "chosen", "rejected"
PER_CHOSEN_TOKEN = ("mean_token_accuracy", "logits/chosen")


class Mean:
    """A mean of batch means, each with the number of items it stands for."""

    def __init__(self) -> None:
        self.total = 0.0
        self.items = 0

    def add(self, mean: float, items: int) -> None:
        self.total += mean * items
        self.items += items

    @property
    def value(self) -> float:
        return self.total / self.items if self.items else float("nan")


class Evaluation:
    """The means of one evaluation: its loss and the metrics that TRL keeps beside it, by name."""

    def __init__(self) -> None:
        self.loss, self.sft = Mean(), Mean()
        self.metrics: dict[str, Mean] = defaultdict(Mean)

    def add_tokens(self, inputs: Any, loss: float, metrics: dict[str, float]) -> None:
        """A batch of conversations or texts: everything is a mean over its learned tokens."""
        tokens = int((inputs["labels"][:, 1:] != IGNORED).sum())
        self.loss.add(loss, tokens)
        for name, value in metrics.items():
            self.metrics[name].add(value, tokens)

    def add_pairs(self, inputs: Any, loss: float, metrics: dict[str, float], sft_weight: float) -> None:
        """A batch of pairs: means over pairs, but over tokens what TRL takes over tokens, the SFT loss among them.

        TRL's SFT loss of a batch is that of all its chosen tokens: minus the sum of their log-probabilities over
        their number. It is taken out of the batch's loss again, so that each part is averaged over its own items.
        """
        chosen, rejected = (int(side.sum()) for side in inputs["completion_mask"][:, 1:].chunk(2))
        pairs = len(inputs["completion_mask"]) // 2
        sft = -metrics["logps/chosen"] * pairs / max(chosen, 1)
        self.loss.add(loss - sft_weight * sft, pairs)
        self.sft.add(sft_weight * sft, chosen)
        counts = {"entropy": chosen + rejected, "logits/rejected": rejected, **dict.fromkeys(PER_CHOSEN_TOKEN, chosen)}
        for name, value in metrics.items():
            self.metrics[name].add(value, counts.get(name, pairs))

    @property
    def value(self) -> float:
        return self.loss.value + (self.sft.value if self.sft.total else 0.0)


def exact(trainer: type[Any]) -> type[Any]:
    """A trainer derived from SFTTrainer whose evaluations are means over tokens."""

    class Exact(trainer):
        def evaluation_loop(self, *args: Any, **settings: Any) -> Any:
            self._evaluation = Evaluation()
            output = super().evaluation_loop(*args, **settings)
            output.metrics[f"{settings.get('metric_key_prefix', 'eval')}_loss"] = self._evaluation.value
            means = {name: [mean.value] for name, mean in self._evaluation.metrics.items()}
            self._metrics["eval"].update(means)
            return output

        def prediction_step(self, model: Any, inputs: Any, *args: Any, **settings: Any) -> Any:
            prediction = super().prediction_step(model, dict(inputs), *args, **settings)
            last = {
                name: values.pop()
                for name, values in self._metrics["eval"].items()
                if values and name not in NOT_AVERAGED
            }
            self._count(inputs, float(prediction[0]), last)
            return prediction

        def _count(self, inputs: Any, loss: float, metrics: dict[str, float]) -> None:
            self._evaluation.add_tokens(inputs, loss, metrics)

    return Exact


def exact_for_pairs(trainer: type[Any], sft_weight: float) -> type[Any]:
    """A trainer derived from DPOTrainer whose evaluations are means over pairs."""

    class ExactForPairs(exact(trainer)):  # type: ignore[misc]
        def _count(self, inputs: Any, loss: float, metrics: dict[str, float]) -> None:
            self._evaluation.add_pairs(inputs, loss, metrics, sft_weight)

    return ExactForPairs
