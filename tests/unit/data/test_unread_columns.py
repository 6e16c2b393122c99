"""A column whose name is not known is asked about where a word of its name or its cells may change what is learned."""

from typing import Any

import pytest

from workbench.data.reading.column_hints import hint_of
from workbench.data.reading.detection import detect
from workbench.data.reading.format import FORMATS
from workbench.data.reading.unread_columns import doubts

Row = dict[str, Any]
SENTENCE = "The wood lies behind the house."


def chat(**more: Any) -> Row:
    return {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], **more}


def alpaca(**more: Any) -> Row:
    return {"instruction": "Translate", "output": "Baum", **more}


def asked(*rows: Row) -> dict[str, str]:
    """The columns of these rows that need a question, with the reason."""
    form = detect(rows).format
    assert form is not None
    return {path: fate.why for path, fate in doubts(form, [*rows]).items()}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("is_chosen", (True, False)),
        ("upvoted", (True, False)),
        ("hallucinated", (1, 0)),
        ("toxicity", (0.1, 0.9)),
        ("upvotes", (7, 0)),
        ("responseQuality", ("fine", "poor")),
        ("evaluation", ("correct", "incorrect")),
        ("outcome", ("success", "failure")),
    ],
)
def test_what_may_tell_good_answers_from_bad_ones_is_asked_about(name: str, values: tuple[Any, Any]) -> None:
    assert "which answers are good" in asked(*(chat(**{name: value}) for value in values))[name]


@pytest.mark.parametrize("name", ["learn", "trainable", "train_on", "ignore", "is_trained", "skip"])
def test_a_mark_on_a_turn_that_may_keep_it_from_being_learned_is_asked_about(name: str) -> None:
    row = chat()
    row["messages"][1][name] = False
    assert "how much a row counts" in asked(row)[f"messages.{name}"]


@pytest.mark.parametrize("name", ["document", "sql_context", "code", "input_text", "persona", "lyrics", "Absatz"])
def test_texts_that_may_belong_to_the_question_are_asked_about(name: str) -> None:
    assert name in asked(alpaca(**{name: SENTENCE}))
    assert name in asked(alpaca(**{name: [{"body": SENTENCE}]}))


def test_texts_without_blanks_between_words_are_sentences_too() -> None:
    assert "lyrics" in asked(alpaca(lyrics="北京是中华人民共和国的首都，有三千多年的建城历史。"))
    assert not asked(alpaca(lyrics="北京"))


@pytest.mark.parametrize("name", ["internal_monologue", "think", "reasoning_trace", "explanation"])
def test_thoughts_by_other_names_are_asked_about(name: str) -> None:
    row = chat()
    row["messages"][1][name] = "So"
    assert "a thought to be learned" in asked(row)[f"messages.{name}"]
    assert "a thought to be learned" in asked({"question": "q", "answer": "a", name: "So"})[name]


@pytest.mark.parametrize("name", ["image_path", "img", "image_url", "audio_file", "screenshot", "media"])
def test_pictures_and_sounds_by_other_names_are_asked_about(name: str) -> None:
    assert "picture or sound" in asked(chat(**{name: "a.png"}))[name]


def test_the_options_of_a_question_are_asked_about() -> None:
    assert asked({"question": "q", "A": "x", "B": "y", "answer": "B"}).keys() == {"A", "B"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt_id", "a b c d e"), ("source", SENTENCE), ("source_url", "https://example.org/a b c d"),
        ("image_count", 3), ("has_images", True), ("input_tokens", 12), ("custom_instruction", True),
        ("category", SENTENCE), ("language", "de"), ("mood", "calm"), ("mood", True), ("views", 12),
        ("context_length", 5), ("checked", "yes"),
    ],
)  # fmt: skip
def test_notes_on_a_row_raise_no_question(name: str, value: Any) -> None:
    assert not asked(chat(**{name: value}), chat(**{name: value}))


def test_what_somebody_said_of_a_column_holds() -> None:
    row = alpaca(code=SENTENCE, lyrics=SENTENCE)
    form = FORMATS.parse({"method": "alpaca", "keep_columns": ["code"]})
    assert doubts(form, [row]).keys() == {"lyrics"}
    assert not doubts(FORMATS.parse({"method": "alpaca", "others": "keep"}), [row])


def test_a_column_that_repeats_what_is_read_raises_no_question() -> None:
    assert not asked(chat(first_question="q"), chat(first_question="q"))


@pytest.mark.parametrize(
    "name", ["response_j", "answer text", "model_answer", "gpt4", "ground_truth", "gold", "positive"]
)
def test_prompts_beside_any_text_of_its_own_are_not_prompts_alone(name: str) -> None:
    detection = detect([{"prompt": "q", name: "x"}] * 3)
    assert detection.format is None and f"{name!r} beside may be more than that" in detection.reason


@pytest.mark.parametrize(
    "rows",
    [
        [{"prompt": "q", "source": "somewhere on the web"}],
        [{"prompt": f"q{n}", "topic": "history"} for n in range(9)],
        [{"prompt": "q", "verified": True}],
    ],
)
def test_prompts_with_notes_are_prompts_alone(rows: list[Row]) -> None:
    form = detect(rows).format
    assert form is not None and form.method == "prompts_only"


@pytest.mark.parametrize("name", ["tool_list", "apis", "function_definitions", "tools_available", "availableTools"])
def test_tools_by_other_names_are_read(name: str) -> None:
    form = detect([chat(**{name: [{"name": "w", "parameters": {"type": "object"}}]})]).format
    assert form is not None and form.settings()["tools"] == name


@pytest.mark.parametrize("name", ["tool_calls", "tool_results", "function_call"])
def test_calls_of_tools_and_their_results_are_no_tools(name: str) -> None:
    form = detect([chat(**{name: [{"name": "w", "arguments": {}}]})]).format
    assert form is not None and form.settings()["tools"] == ""


def test_a_hint_is_a_whole_word_of_the_name() -> None:
    assert hint_of("textile") == hint_of("contextual") == hint_of("apiary") == ""
    assert hint_of("rawText") == hint_of("raw-text") == hint_of("raw text 2") == "question"
