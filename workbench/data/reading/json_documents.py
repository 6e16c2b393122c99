"""The rows in a JSON document: a list, the list in an object, the lists of several splits, or SQuAD's articles."""

from collections.abc import Iterator
from typing import Any

from workbench.core.errors import UserError
from workbench.data.reading.json_lines import row_of_line
from workbench.data.reading.lines import Item, Remark
from workbench.rows.values import short

ROW_LISTS = ("data", "rows", "examples", "items", "records", "instances", "samples", "conversations")
SPLITS = ("train", "training", "test", "validation", "valid", "val", "dev", "eval", "evaluation", "holdout")
ROW_PARTS = ("messages", "conversations", "conversation", "dialogue", "prompt", "completion", "chosen", "rejected")
SPLIT = "split"


def rows_of_json(data: Any) -> Iterator[Item]:
    """The rows, numbered from 1, and remarks on what else the document holds. Raises `UserError`."""
    if isinstance(data, list):
        rows, beside = data, list[str]()
    elif isinstance(data, dict):
        rows, beside = _in_object(data)
    else:
        raise UserError(f"The JSON is {short(data)}, not a list of rows.", "Wrap the rows in [ ].", "source")
    if rows and all(_is_article(row) for row in rows):
        rows = [question for article in rows for question in _questions(article)]
    yield from (row_of_line(index, item) for index, item in enumerate(rows, start=1))
    if beside:
        yield Remark(f"Beside its rows the file has {', '.join(map(repr, beside))}, which belong to no row")


def _in_object(data: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """The rows of an object and the keys beside them: those of its splits, of its one list, or itself as a row."""
    if any(name in ROW_PARTS and (isinstance(value, str) or _are_turns(value)) for name, value in data.items()):
        return [data], []
    lists = {name: value for name, value in data.items() if isinstance(value, list) and _are_rows(name, value)}
    splits = [name for name in lists if name.lower() in SPLITS]
    if splits and len(splits) == len(lists):
        beside = [name for name in data if name not in splits]
        if len(splits) == 1:
            return list(lists[splits[0]]), beside
        return [_of_split(row, name) for name in splits for row in lists[name]], beside
    if len(lists) > 1:
        names = ", ".join(map(repr, lists))
        raise UserError(
            f"The JSON object has several lists: {names}.", "Save the rows as one list of objects.", "source"
        )
    if lists:
        ((name, rows),) = lists.items()
        return list(rows), [other for other in data if other != name]
    return [data], []


def _are_rows(name: str, value: list[Any]) -> bool:
    """Whether a list in an object is a list of rows, and no part of one row."""
    if name.lower() in (*ROW_LISTS, *SPLITS) and not _are_turns(value):
        return True
    return name not in ROW_PARTS and bool(value) and all(isinstance(item, dict) for item in value)


def _are_turns(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and {"role", "from"} & item.keys() for item in value)
    )


def _of_split(row: Any, split: str) -> Any:
    return {**row, SPLIT: split} if isinstance(row, dict) and SPLIT not in row else row


def _is_article(row: Any) -> bool:
    """An article of SQuAD: https://rajpurkar.github.io/SQuAD-explorer/."""
    paragraphs = row.get("paragraphs") if isinstance(row, dict) else None
    if not isinstance(paragraphs, list):
        return False
    return all(isinstance(paragraph, dict) and isinstance(paragraph.get("qas"), list) for paragraph in paragraphs)


def _questions(article: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """SQuAD's questions as rows of their own, each with all that its paragraph and article say."""
    outer = {name: value for name, value in article.items() if name != "paragraphs"}
    for paragraph in article["paragraphs"]:
        inner = {name: value for name, value in paragraph.items() if name != "qas"}
        yield from ({**outer, **inner, **asked} for asked in paragraph["qas"] if isinstance(asked, dict))
