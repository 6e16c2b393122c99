"""One attempt at a row, and the canonical row it becomes."""

from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass
class Attempt:
    """An attempt at a row. It ends kept, failed or dropped.

    id: the same in every run of the job. seeds: the numbers of the seed rows. made: what metadata says of how it was
    made (prompt, sampling, operation, round …). ancestors: ids of the prompts it was made of. dead: why not, when it
    ended otherwise than kept.
    """

    id: str
    prompt: list[Message] = field(default_factory=list)
    seeds: tuple[int, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    ancestors: tuple[str, ...] = ()
    answer: str = ""
    score: float | None = None

    @property
    def text(self) -> str:
        """Its last user turn, '' while there is no prompt."""
        return str(self.prompt[-1]["content"]) if self.prompt else ""

    def row(self, origin: dict[str, Any]) -> dict[str, Any]:
        """The canonical row. `origin` is what all rows of the job have in common: maker, dataset, split, model."""
        common = {key: origin[key] for key in ("made_by", "model")}
        seed = {"dataset": origin["dataset"], "split": origin["split"], "rows": list(self.seeds)}
        metadata = {**common, "seed": seed, **self.provenance}
        if self.score is not None:
            metadata |= {"score": round(self.score, 4), "judge": origin["judge"]}
        if self.answer:
            answer = {"role": "assistant", "content": self.answer}
            return {"messages": [*self.prompt, answer], "metadata": metadata}
        return {"prompt": self.prompt, "metadata": metadata}


@dataclass
class OutcomeCounts:
    """What became of the items: asked = kept + failed + dropped + unfinished."""

    asked: int = 0
    accepted: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def decided(self) -> int:
        return self.accepted + sum(self.failed.values()) + sum(self.dropped.values())

    def to_dict(self) -> dict[str, Any]:
        """The counts as a manifest has them; 'unfinished' are those under way when the job was stopped."""
        failed, dropped = (dict(sorted(counts.items())) for counts in (self.failed, self.dropped))
        unfinished = self.asked - self.decided
        return {
            "asked": self.asked,
            "kept": self.accepted,
            "failed": failed,
            "dropped": dropped,
            "unfinished": unfinished,
        }

    def words(self) -> str:
        failed, dropped = sum(self.failed.values()), sum(self.dropped.values())
        return f"{self.accepted} kept · {dropped} dropped · {failed} failed"

    def reasons(self) -> str:
        """Why items were not kept, most frequent first."""
        ordered = sorted([*self.failed.items(), *self.dropped.items()], key=lambda entry: -entry[1])
        return ", ".join(f"{count} × {reason}" for reason, count in ordered)
