"""What a model is asked, and what became of it."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.inference.decoding import Decoding

CUT_OFF = "length"

Message = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One question to a model. `key` is unique in a job; `scored` asks for a number from 1 to 5."""

    key: str
    messages: list[Message]
    decoding: Decoding
    scored: bool = False
    seeds: tuple[int, ...] = ()

    @property
    def purpose(self) -> str:
        return self.key.split("/", maxsplit=1)[0]

    def digest(self, model: str) -> str:
        """Equal only where the same model is asked the same in the same way."""
        content = json.dumps([model, self.messages, self.decoding.to_dict(), self.scored], ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(frozen=True)
class Reply:
    """The text, or why there is none: `failure` in words that are counted, `detail` as the endpoint puts it.

    finish: 'eos', 'length' or 'error'. score: the expected or the written score of a scored request. sampling: the
    settings it was made with. trouble: the failure is the endpoint's, not the model's.
    """

    text: str = ""
    finish: str = "error"
    tokens: int = 0
    failure: str = ""
    detail: str = ""
    score: float | None = None
    sampling: dict[str, Any] = field(default_factory=dict)
    trouble: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def seed_of(seed: int, key: str) -> int:
    """A seed for one item of a job, the same whenever it is asked for."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:4]) >> 1
