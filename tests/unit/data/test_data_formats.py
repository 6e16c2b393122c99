"""Detection and conversion of the data formats, row by row."""

from typing import Any

import pytest

from workbench.core.errors import UserError
from workbench.data.reading.detection import detect
from workbench.data.reading.format import FORMATS, pick
from workbench.rows.canonical import check_row


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def convert(method: str, row: dict[str, Any], **settings: str) -> dict[str, Any]:
    return FORMATS.parse({"method": method, **settings}).convert(row)


@pytest.mark.parametrize(
    ("row", "method"),
    [
        ({"instruction": "a", "input": "", "output": "b"}, "alpaca"),
        ({"instruction": "a", "context": "c", "response": "b", "category": "d"}, "alpaca"),
        ({"messages": [user("a"), answer("b")], "prompt": "a"}, "messages"),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}, "sharegpt"),
        ({"conversations": [user("a"), answer("b")]}, "messages"),
        ({"messages": '[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]'}, "messages"),
        ({"prompt": "a", "completion": "b"}, "prompt_completion"),
        ({"Question": "a", "Answer": "b"}, "prompt_completion"),
        ({"prompt": "a", "chosen": "b", "rejected": "c", "messages": [user("a"), answer("b")]}, "preference"),
        ({"chosen": [user("a"), answer("b")], "rejected": [user("a"), answer("c")]}, "preference"),
        ({"text": "a", "category": "b"}, "plain_text"),
        ({"prompt": "a", "id": 3}, "prompts_only"),
        ({"messages": [user("a")]}, "prompts_only"),
        ({"prompt": "a", "completion": "b", "label": True}, "unpaired"),
        ({"prompt": "a", "completion": "b", "label": "False"}, "unpaired"),
        ({"prompt": "a", "completion": "b", "label": 1}, "unpaired"),
        ({"prompt": "a", "completion": "b", "label": "topic"}, "prompt_completion"),
        ({"instruction": "a", "output": "b", "kto_tag": 0}, "unpaired"),
        ({"messages": [user("a"), answer("b")], "tools": ["hammer"]}, "messages"),
    ],
)
def test_detection(row: dict[str, Any], method: str) -> None:
    found = detect([row] * 3)
    assert found.format is not None and found.format.method == method
    assert "3 of the first 3" in found.reason


def test_whole_names_only() -> None:
    assert detect([{"context": "a", "prompt_id": "b"}]).format is None
    assert "context, prompt_id" in detect([{"context": "a", "prompt_id": "b"}]).reason
    assert pick(["Text ", "context"], "text") == "Text " and pick(["context"], "text") == ""


def test_one_bad_row_does_not_change_the_detection() -> None:
    good = {"prompt": "a", "chosen": "b", "rejected": "c"}
    found = detect([good, good, {"prompt": "a", "chosen": "b", "rejected": "b"}])
    assert found.format is not None and found.format.method == "preference"
    assert [form.method for form in found.candidates] == ["preference", "prompts_only"]


def test_alpaca_joins_input_and_history() -> None:
    row = {"instruction": "Add", "input": "2", "output": 3, "system": "S", "history": [["q", "a"]]}
    assert convert("alpaca", row)["messages"] == [system("S"), user("q"), answer("a"), user("Add\n\n2"), answer("3")]


def test_columns_can_be_corrected() -> None:
    row = {"frage": "a", "antwort": "b"}
    assert convert("prompt_completion", row, prompt="frage", completion="antwort")["messages"] == [
        user("a"),
        answer("b"),
    ]
    with pytest.raises(UserError, match=r"no column 'prompt'.*frage, antwort"):
        convert("prompt_completion", row)


def test_implicit_prompts_are_split_at_whole_messages() -> None:
    row = {"chosen": [user("Is it?"), answer("Yes it is")], "rejected": [user("Is it?"), answer("Yes it was")]}
    made = convert("preference", row)
    assert made == {"prompt": [user("Is it?")], "chosen": [answer("Yes it is")], "rejected": [answer("Yes it was")]}


def test_what_should_follow_a_prompt_that_lies_in_the_sides_is_asked_about_or_kept_aside() -> None:
    row = {"chosen": [user("Hi"), answer("Hello!")], "rejected": [user("Hi"), answer("Go.")], "context": "Sunday"}
    form, _ = FORMATS.get("preference").guess(list(row), [row])
    assert form is not None and form.input == ""
    with pytest.raises(UserError, match="no prompt that 'context' could follow"):
        convert("preference", row, input="context")


def test_a_transcript_becomes_messages() -> None:
    start = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Bye\n\nAssistant:"
    made = convert("preference", {"chosen": f"{start} Bye!", "rejected": f"{start} No."})
    assert made["prompt"] == [user("Hi"), answer("Hello"), user("Bye")]
    assert (made["chosen"], made["rejected"]) == ([answer("Bye!")], [answer("No.")])


def test_sides_that_repeat_the_prompt() -> None:
    row = {"prompt": "q", "chosen": [user("q"), answer("a")], "rejected": [user("q"), answer("b")]}
    assert convert("preference", row) == {"prompt": [user("q")], "chosen": [answer("a")], "rejected": [answer("b")]}


@pytest.mark.parametrize(
    ("method", "row", "reason"),
    [
        ("messages", {"messages": [user("a")]}, "no assistant turn"),
        ("messages", {"messages": [user("a"), system("s"), answer("b")]}, "system turn after the first"),
        ("messages", {"messages": [user("a"), {"role": "robot", "content": "x"}]}, "role 'robot'"),
        ("messages", {"messages": [user("a"), answer(" ")]}, "is empty"),
        ("messages", {"messages": [user("a"), {"role": "assistant"}]}, "no 'content'"),
        ("messages", {"messages": []}, "not a list of messages"),
        ("messages", {"messages": "hello"}, "not a list of messages"),
        ("messages", {"messages": [user("a"), {"role": "assistant", "content": [{"type": "image"}]}]}, "type 'image'"),
        ("messages", {"messages": [user("a"), answer("half \ud83d")]}, "surrogate"),
        ("messages", {"messages": [system("a"), answer("b")], "sys": "c"}, "two system prompts"),
        ("alpaca", {"instruction": "a", "output": None}, "empty"),
        ("alpaca", {"instruction": "a", "output": "b", "history": [["q"]]}, "pair"),
        ("preference", {"prompt": "a", "chosen": "b", "rejected": "b"}, "are the same"),
        ("preference", {"chosen": "b", "rejected": "c"}, "no prompt"),
        ("preference", {"chosen": [user("a")], "rejected": [user("a"), answer("b")]}, "beginning of the other"),
        ("plain_text", {"text": "\n"}, "empty"),
        ("plain_text", {"text": True}, "true/false"),
        ("prompts_only", {"prompt": [user("a"), answer("b")]}, "does not end with a user turn"),
    ],
)
def test_bad_rows_are_refused_with_the_reason(method: str, row: dict[str, Any], reason: str) -> None:
    settings = {"system": "sys"} if "sys" in row else {}
    with pytest.raises(UserError, match=reason):
        convert(method, row, **settings)


def test_a_blank_system_prompt_falls_away_and_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    row = {"messages": [{"role": "system", "content": ""}, user("q"), {"role": "model", "content": parts}]}
    assert convert("messages", row)["messages"] == [user("q"), answer("ab")]


def test_check_refuses_other_kinds_and_other_columns() -> None:
    with pytest.raises(UserError, match="no kind"):
        check_row("images", {})
    with pytest.raises(UserError, match="belong"):
        check_row("text", {"text": "a", "extra": 1})
    with pytest.raises(UserError, match="not a canonical"):
        check_row("conversation", {"messages": [{"role": "human", "content": "a"}, answer("b")]})


def test_columns_to_keep_go_under_metadata() -> None:
    row = {"text": "a", "id": 7, "metadata": {"lang": "de"}, "none": None, "more": [1]}
    whole = {"text": "a", "metadata": {"lang": "de", "id": 7, "more": [1]}}
    assert convert("plain_text", row) == whole == convert("plain_text", row, keep_columns="id, none, gone")
    less = {"text": "a", "metadata": {"lang": "de", "id": 7}}
    assert convert("plain_text", row, leave_out="more") == less
    assert convert("plain_text", row, others="leave_out") == {"text": "a"}
    assert convert("plain_text", row, others="leave_out", keep_columns="metadata, id") == less
    assert convert("plain_text", {"text": "a", "id": float("nan")}) == {"text": "a"}
    clash = {"text": "a", "metadata": {"id": 1}, "id": 2}
    assert convert("plain_text", clash)["metadata"] == {"id": 2, "metadata.id": 1}


def test_labels_are_true_or_false() -> None:
    for label, good in (
        (True, True),
        ("false", False),
        (1, True),
        ("0", False),
        ("good", True),
        ("Thumbs down", False),
    ):
        assert convert("unpaired", {"prompt": "a", "completion": "b", "label": label})["label"] is good
    for label in (None, "fine", 2, 0.5):
        with pytest.raises(UserError, match="not true or false"):
            convert("unpaired", {"prompt": "a", "completion": "b", "label": label})


def test_tags_name_the_speakers() -> None:
    turns = [{"who": "Frage", "says": "a"}, {"who": "Antwort", "says": "b"}]
    tags = {"role_tag": "who", "content_tag": "says", "user_tag": "Frage", "assistant_tag": "Antwort"}
    assert convert("sharegpt", {"conversations": turns}, **tags)["messages"] == [user("a"), answer("b")]
    with pytest.raises(UserError, match="role 'Frage'"):
        convert("sharegpt", {"conversations": turns}, role_tag="who", content_tag="says")
