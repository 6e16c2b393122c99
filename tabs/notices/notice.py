"""What a notice is."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Notice:
    """Something to know of. `time` is when it happened, seconds since the epoch; `target` and `name` say what it leads
    to: a job by its id, a labelling session, or the bin."""

    id: str
    time: float
    level: Literal["ok", "bad", "turn"]
    title: str
    text: str
    target: Literal["job", "session", "bin"]
    name: str
