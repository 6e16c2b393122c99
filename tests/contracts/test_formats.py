"""Every data format keeps its family's promise."""

import json
from typing import Any

import pytest

from workbench.core.errors import UserError
from workbench.data.reading.detection import detect
from workbench.data.reading.format import FORMATS, Format, filled_columns
from workbench.rows.canonical import KINDS, check_row

NAMES = list(FORMATS.all())
CASES = [(name, index) for name in NAMES for index in range(len(FORMATS.get(name).examples))]
GARBAGE: list[Any] = [
    *(None, True, 0, 1.5, float("nan"), "", " ", "[", "[1]", "{}", '{"role": 1}', "\ud83d", "a\0b"),
    *([], [None], [[]], [{}], [1, "a"], {}, {"a": 1}, {"role": "user"}, b"bytes"),
    *([{"role": "user", "content": "q"}], [{"role": None, "content": None}], [{"role": "tool", "content": "x"}]),
    *([{"from": "human", "value": ["a"]}], [{"role": "assistant", "content": [{"type": "image"}]}]),
]


def test_there_are_formats() -> None:
    assert {"alpaca", "messages", "sharegpt", "prompt_completion", "preference", "plain_text", "prompts_only"} <= set(
        NAMES
    )


@pytest.mark.parametrize(("name", "index"), CASES)
def test_guesses_and_converts_its_own_example(name: str, index: int) -> None:
    form = FORMATS.get(name)
    example = form.examples[index]
    guessed, reason = form.guess(filled_columns([example]), [example])
    assert guessed is not None and reason
    row = guessed.convert(json.loads(json.dumps(example)))
    assert row == guessed.convert(example)
    assert check_row(form.kind, json.loads(json.dumps(row))) == row
    assert detect([example]).format == guessed


@pytest.mark.parametrize("name", NAMES)
def test_describes_itself(name: str) -> None:
    form = FORMATS.get(name)
    assert form.kind in KINDS and form.title and form.summary().endswith(".") and form.examples
    assert all(field.description for field in form.model_fields.values())
    assert FORMATS.parse(form().to_dict()) == form()


@pytest.mark.parametrize("name", NAMES)
def test_says_why_it_does_not_fit(name: str) -> None:
    guessed, reason = FORMATS.get(name).guess(
        ["context", "prompts_used", "textual"], [{"context": "a", "textual": "b"}]
    )
    assert guessed is None and reason


@pytest.mark.parametrize("name", NAMES)
def test_garbage_is_refused_with_a_reason_or_becomes_canonical(name: str) -> None:
    form: Format = FORMATS.get(name)()
    with pytest.raises(UserError, match="column"):
        form.convert({"unknown": "x"})
    for example in form.examples:
        for column in example:
            for value in GARBAGE:
                try:
                    check_row(form.kind, json.loads(json.dumps(form.convert({**example, column: value}))))
                except UserError as error:
                    assert error.message
