"""One row of a dataset as a model sees it."""

from collections.abc import Callable
from typing import Any

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.models.model_references import resolve
from workbench.rendering.rendered import (
    Rendered,
    Tokenizer,
    TrainOn,
    for_view,
    render,
    render_prompt,
    render_text,
    row_weight,
)
from workbench.rendering.row_findings import row_findings
from workbench.rendering.templates import Template, TemplateStopped, Tools, get_template
from workbench.rows.canonical import Message

Row = dict[str, Any]


def row_token_view(
    home: Home,
    dataset: str,
    model: str,
    *,
    split: str,
    row: int,
    template: str,
    max_length: int,
    train_on: TrainOn = "assistant",
    text: str = "",
) -> dict[str, Any]:
    """Tokens, warnings and summary of row `row` (from 1), as in `token_view`; `text` is a custom template's source.

    Raises `UserError` when there is no such row, model, dataset or template.
    """
    folder = resolve(home, model).home_of_template
    rows = datasets.rows(home, dataset, split, row - 1, 1) if row > 0 else []
    if not rows:
        total = datasets.count(home, dataset, split)
        raise UserError(f"{dataset} has no row {row} in {split}.", f"It has {total}.", "row")
    return token_view(rows[0], Tokenizer.load(folder), get_template(template, folder, text), max_length, train_on)


def token_view(
    row: Row, tokenizer: Tokenizer, template: Template, max_length: int | None, train_on: TrainOn = "assistant"
) -> dict[str, Any]:
    """A canonical row of any kind as {tokens, warnings, summary, note, sides}.

    `sides` are the chosen and the rejected answer of a pair, each with a title and its own tokens, warnings and
    summary, the tokens of the answer marked trained; the tokens outside `sides` are those of the chosen one. A row
    that the template refuses has no tokens and the reason as its warning. What is to be said of the row itself stands
    among the warnings of the first side. Raises `TemplateStopped`.
    """
    views = {title: _view(make) for title, make in _renderings(row, tokenizer, template, max_length, train_on).items()}
    first = next(iter(views.values()))
    first["warnings"] = [
        *first["warnings"],
        *({"level": warning.level, "text": warning.text} for warning in row_findings(row)),
    ]
    return {**first, "sides": [{"title": title, **view} for title, view in views.items()] if len(views) > 1 else []}


def _renderings(
    row: Row, tokenizer: Tokenizer, template: Template, max_length: int | None, train_on: TrainOn
) -> dict[str, Callable[[], Rendered]]:
    """What there is to render of a row, by title."""
    tools: Tools = row.get("tools", ())
    weight = row_weight(row)
    if "text" in row:
        return {"text": lambda: render_text(row["text"], tokenizer, max_length, weight)}

    def conversation(messages: list[Message], first: int = 0, learnt: TrainOn = "assistant") -> Rendered:
        try:
            return render(messages, tokenizer, template, max_length, learnt, tools, first, weight)
        except TemplateStopped:
            raise
        except UserError as error:
            raise _refusal(error, messages, tokenizer, template, tools) from None

    if "messages" in row:
        return {"conversation": lambda: conversation(row["messages"], 0, train_on)}
    prompt = row["prompt"]
    answers = {"chosen": row.get("chosen"), "rejected": row.get("rejected")}
    if "completion" in row:
        answers = {"wanted" if row["label"] else "unwanted": row["completion"]}
    if not any(answers.values()):
        return {"prompt": lambda: render_prompt(prompt, tokenizer, template, max_length, tools)}
    return {
        title: lambda turns=turns: conversation([*prompt, *turns], len(prompt))  # type: ignore[misc]
        for title, turns in answers.items()
        if turns
    }


def _view(make: Callable[[], Rendered]) -> dict[str, Any]:
    try:
        return for_view(make())
    except TemplateStopped:
        raise
    except UserError as error:
        warning = {"level": "error", "text": str(error)}
        return {"tokens": [], "warnings": [warning], "summary": [["Tokens", "0"]], "note": "refused by the template"}


def _refusal(
    error: UserError, messages: list[Message], tokenizer: Tokenizer, template: Template, tools: Tools
) -> UserError:
    """The template's refusal with what it is that it refuses, where leaving that out helps."""
    plain = [turn for turn in messages if turn["role"] != "tool" and not turn.get("tool_calls")]
    no_system = [turn for turn in messages if turn["role"] != "system"]
    for subject, left, remedy in (
        ("the system prompt", no_system, "Move it into the first user turn, or choose another template."),
        ("the tool turns", plain, "Choose a template that knows tools: llama3, mistral or qwen."),
    ):
        if len(left) == len(messages) or not left:
            continue
        try:
            template.render(left, tokenizer.tokens, tools=tools)
        except TemplateStopped:
            raise
        except UserError:
            continue
        return UserError(f"The template refuses {subject}. {error.message}", remedy, "template")
    return error
