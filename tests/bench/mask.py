"""What masks cost: conversations rendered with the spans to learn, as a multiple of rendering them alone.

Templates with generation markers are rendered once; others once more with marks in the turns, and for every new kind of
text between two turns up to three times. Both sides go through the rendering process in the same run.
"""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.unit.rendering.test_masks_published import TOKENS, template_named
from workbench.rendering.templates import Conversation

ROWS, ROUNDS = 2048, 5
GOAL = 1.5  # with markers
TEMPLATES = {"marked": "qwen3_training", "unmarked": "chatml", "unmarked_with_thoughts": "qwen3"}


def measure() -> Iterator[tuple[Any, ...]]:
    """Masked over plain, for one and for four answers a row, and the microseconds a row takes masked."""
    for turns in (1, 4):
        rows = _rows(turns)
        for name, file in TEMPLATES.items():
            template = template_named(file)
            plain = _fastest(lambda: template.render_all(rows, TOKENS))  # noqa: B023
            masked = _fastest(lambda: template.lay_out(rows, TOKENS))  # noqa: B023
            yield f"mask_{name}_{turns}", masked / plain, GOAL if name == "marked" else None, "x"
            yield f"mask_{name}_{turns}_row", masked / ROWS * 1e6, None, "us"


def _rows(turns: int) -> list[Conversation]:
    """Conversations of about 300 tokens."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvw", k=draw.randint(2, 9))) for _ in range(5000)]
    return [
        Conversation(
            [
                {"role": role, "content": " ".join(draw.choices(words, k=count // turns))}
                for _ in range(turns)
                for role, count in (("user", 30), ("assistant", 120))
            ]
        )
        for _ in range(ROWS)
    ]


def _fastest(work: Callable[[], object]) -> float:
    def timed() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    return min(timed() for _ in range(ROUNDS))
