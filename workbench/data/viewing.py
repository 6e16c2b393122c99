"""One row of a dataset as a model sees it."""

from typing import Any

from workbench.data import shelf
from workbench.data.rendering import Tokenizer, TrainOn, for_view, render, render_text
from workbench.data.templates import get_template
from workbench.errors import UserError
from workbench.home import Home
from workbench.models.shelf import resolve


def row_as_seen(
    home: Home, dataset: str, model: str, *, split: str, row: int, template: str, max_length: int, train_on: TrainOn
) -> dict[str, Any]:
    """Tokens, warnings and summary of row `row` (from 1); of a preference pair the chosen side.

    Raises `UserError` when there is no such row, model, dataset or template.
    """
    folder = resolve(home, model).home_of_template
    found = shelf.rows(home, dataset, split, row - 1, 1) if row > 0 else []
    if not found:
        total = shelf.count(home, dataset, split)
        raise UserError(f"{dataset} has no row {row} in {split}.", f"It has {total}.", "row")
    tokenizer = Tokenizer.load(folder)
    if "text" in found[0]:
        return for_view(render_text(found[0]["text"], tokenizer, max_length))
    messages = found[0].get("messages") or [*found[0]["prompt"], *found[0].get("chosen", [])]
    return for_view(render(messages, tokenizer, get_template(template, folder), max_length, train_on))
