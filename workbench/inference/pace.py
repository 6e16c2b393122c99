"""How fast answers were made, and by which library."""

from dataclasses import dataclass


@dataclass
class Pace:
    """How fast a model answered, and with which library."""

    library: str
    tokens: int = 0
    seconds: float = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self.tokens += tokens
        self.seconds += seconds

    def sentence(self) -> str:
        rate = f", {self.tokens / self.seconds:.1f} tokens/s" if self.tokens and self.seconds else ""
        return f"{self.tokens:,} tokens by {self.library}{rate}."
