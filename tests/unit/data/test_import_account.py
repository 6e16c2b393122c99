"""What a file says is what is learned: no column, key, role or row is lost without a word or read poorer than it is."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.exports.export import EXPORTS, write_export
from workbench.data.reading.detection import detect
from workbench.data.recipes.importing import import_dataset, preview_source, rejected
from workbench.data.sources.source import SOURCES
from workbench.data.store.datasets import all_rows
from workbench.jobs.job import JOBS, JobContext

Row = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


TALK = "Human: Is ice cold?\n\nAssistant: Yes."


def user(text: str) -> Row:
    return {"role": "user", "content": text}


def answer(text: str, **more: Any) -> Row:
    return {"role": "assistant", "content": text, **more}


def chat(text: str = "q", reply: str = "a", **more: Any) -> Row:
    return {"messages": [user(text), answer(reply)], **more}


def write(path: Path, content: Any) -> Path:
    """JSON lines of a list, or the text itself; JSON where the name ends so."""
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="")
    elif path.suffix == ".json":
        path.write_text(json.dumps(content))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(content), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    return path


class Read:
    """A file imported: the kind, the rows, the account by column, and what else is said."""

    def __init__(self, home: Home, paths: Path | list[Path], columns: dict[str, str] | None = None, **settings: Any):
        names = [str(path) for path in ([paths] if isinstance(paths, Path) else paths)]
        source = {"method": "files", "paths": names, "columns": columns or {}, **settings}
        made = import_dataset(home, SOURCES.parse(source), "x", eval_fraction=0, replace=True)
        self.info, self.kind, self.rows = made.info, made.info["kind"], all_rows(home, "x")
        self.uses = {entry["column"]: (entry["use"], entry["setting"]) for entry in made.info["columns"]}
        self.remarks = " ".join(made.info["remarks"])
        self.rejected = [row.reason for row in rejected(home, "x", 0, 1000)]


def read(home: Home, tmp_path: Path, name: str, content: Any, **columns: str) -> Read:
    return Read(home, write(tmp_path / name, content), columns)


# ---- columns that come late ----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [60, 5000])
def test_columns_that_first_appear_late_are_read(home: Home, tmp_path: Path, before: int) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    late = [chat(system="Be brief."), chat(tools=[tool]), chat(sample_weight=0.5), chat(page=7)]
    found = read(home, tmp_path, "a.jsonl", [chat(f"q{n}") for n in range(before)] + late)
    assert found.rows[-4]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert found.rows[-3]["tools"] == [tool]
    assert found.rows[-2]["metadata"] == {"weight": 0.5} and found.rows[-1]["metadata"] == {"page": 7}
    assert found.uses["system"] == ("used", "system") and found.uses["sample_weight"] == ("used", "weight")
    assert len(found.rows) == before + 4 and not found.rejected


def test_a_late_input_is_joined_to_its_instruction(home: Home, tmp_path: Path) -> None:
    rows = [{"instruction": f"Say {n}", "output": str(n)} for n in range(60)]
    found = read(home, tmp_path, "a.jsonl", [*rows, {"instruction": "To German", "input": "tree", "output": "Baum"}])
    assert found.rows[-1]["messages"][0]["content"] == "To German\n\ntree"


def test_a_late_verdict_changes_the_whole_file(home: Home, tmp_path: Path) -> None:
    plain = [{"prompt": "q", "completion": f"a{n}"} for n in range(70)]
    found = read(home, tmp_path, "a.jsonl", [*plain, {"prompt": "q", "completion": "b", "kto_tag": False}])
    assert found.kind == "unpaired" and len(found.rows) == 1 and len(found.rejected) == 70


def test_late_columns_of_parquet_that_are_null_before_are_read(home: Home, tmp_path: Path) -> None:
    rows = [{"messages": chat()["messages"], "system": "Be brief." if n == 1500 else None} for n in range(1600)]
    found = read(home, tmp_path, "a.parquet", rows)
    assert sum(row["messages"][0]["role"] == "system" for row in found.rows) == 1 and len(found.rows) == 1600


def test_files_with_other_columns_each_have_their_own_format(home: Home, tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", [chat(page=1)])
    second = write(tmp_path / "b.csv", "question,answer,system\nq,a,Be brief.\n")
    found = Read(home, [first, second])
    assert found.rows[0]["metadata"] == {"page": 1} and found.rows[1]["messages"][0]["role"] == "system"
    assert {"messages", "page", "question", "answer", "system"} <= found.uses.keys()


def test_all_splits_of_one_json_file_are_read(home: Home, tmp_path: Path) -> None:
    content = {"train": [chat("q1"), chat("q2")], "test": [chat("q3")], "version": "1.0"}
    found = read(home, tmp_path, "a.json", content)
    assert [row["metadata"]["split"] for row in found.rows] == ["train", "train", "test"]
    assert "'version'" in found.remarks


# ---- what changes what is learned ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (chat(label="topic a"), "label"),
        (chat(rating=3), "rating"),
        (chat(status="draft"), "status"),
        ({"prompt": "q", "completion": "a", "history": "before"}, "history"),
        ({"prompt": "q", "chosen": "a", "rejected": "b", "label": "topic"}, "label"),
        ({"instruction": "q", "output": "a", "answers": ["b"]}, "answers"),
        (chat(tools=["hammer"]), "tools"),
        (chat(thought="hm"), "thought"),
        (chat(weight="70 kg"), "weight"),
        ({"messages": [user("q"), answer("a", rating=2)]}, "messages.rating"),
        ({"messages": [user("q"), answer("a", mask=True)]}, "messages.mask"),
        ({"prompt": "q", "response": "a", "helpfulness": 3}, "helpfulness"),
        ({"prompt": "q", "response": "a", "is_toxic": True}, "is_toxic"),
        ({"question": "q", "answer": "1", "choices": ["a", "b"]}, "choices"),
        ({"question": "q", "answer": "a", "answer_2": "b"}, "answer_2"),
    ],
)
def test_what_may_change_what_is_learned_is_asked_about(home: Home, tmp_path: Path, row: Row, column: str) -> None:
    path = write(tmp_path / "a.jsonl", [row] * 3)
    with pytest.raises(UserError, match=f"What is to become.*\n{column}: ") as caught:
        Read(home, path)
    assert f"{column}=keep" in caught.value.remedy and list(home.datasets.iterdir()) == []
    assert {line.column for line in preview_source(path).account if line.use == "undecided"} == {column}
    value = [None, row["messages"][1][column.partition(".")[2]]] if "." in column else row[column]
    assert Read(home, path, {column: "keep"}).rows[0]["metadata"] == {column: value}
    left = Read(home, path, {column: "leave_out"})
    assert "metadata" not in left.rows[0] and left.uses[column] == ("left out", "")


@pytest.mark.parametrize(
    "row",
    [
        {"text": "a", "score": 2.5},
        {"prompt": "q", "score": 3},
        {"prompt": "q", "chosen": "a", "rejected": "b", "rating": 4},
    ],
)
def test_a_score_where_nothing_is_answered_or_all_is_compared_is_kept(home: Home, tmp_path: Path, row: Row) -> None:
    name = [*row][-1]
    assert read(home, tmp_path, "a.jsonl", [row]).rows[0]["metadata"] == {name: row[name]}


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ({"messages": [user("q"), answer("a")], "label": True}, True),
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "verdict": "bad"}, False),
        ({"prompt": "q", "completion": "a", "label": 1}, True),
        ({"prompt": "q", "response": "a", "rating": 0}, False),
        ({"question": "q", "answer": "a", "status": "rejected"}, False),
        ({"instruction": "q", "output": "a", "feedback": "Thumbs up"}, True),
        ({"instruction": "q", "output": "a", "desirable": False}, False),
        ({"messages": [user("q"), answer("a")], "thumbs_up": True}, True),
        ({"question": "q", "answer": "a", "quality": "bad"}, False),
    ],
)
def test_verdicts_make_unpaired_rows(home: Home, tmp_path: Path, row: Row, label: bool) -> None:
    found = read(home, tmp_path, "a.jsonl", [row, row])
    assert found.kind == "unpaired" and found.rows[0]["label"] is label
    assert found.rows[0]["completion"] == [answer("a")]


def test_a_verdict_kept_as_metadata_leaves_a_conversation(home: Home, tmp_path: Path) -> None:
    found = read(home, tmp_path, "a.jsonl", [{"prompt": "q", "completion": "a", "label": 1}], label="keep")
    assert found.kind == "conversation" and found.rows[0]["metadata"] == {"label": 1}


def test_turns_not_to_be_learned_are_marked(home: Home, tmp_path: Path) -> None:
    turns = [user("q"), answer("draft", weight=0), user("better?"), answer("good", weight=1)]
    assert read(home, tmp_path, "a.jsonl", [{"messages": turns}]).rows[0]["messages"][1]["weight"] == 0
    said = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "draft", "train": False}]
    said += [{"from": "human", "value": "q"}, {"from": "gpt", "value": "good", "train": True}]
    found = read(home, tmp_path, "b.json", [{"conversations": said}])
    assert [turn.get("weight") for turn in found.rows[0]["messages"]] == [None, 0, None, None]
    assert found.uses["conversations.train"] == ("used", "weight")


@pytest.mark.parametrize("key", ["train", "train_on_turn", "training", "loss"])
def test_every_name_of_a_mark_not_to_train_is_known(home: Home, tmp_path: Path, key: str) -> None:
    turns = [user("q"), answer("draft", **{key: False}), user("better?"), answer("good", **{key: True})]
    found = read(home, tmp_path, "a.jsonl", [{"messages": turns}])
    assert [turn.get("weight") for turn in found.rows[0]["messages"]] == [None, 0, None, None]
    assert found.uses[f"messages.{key}"] == ("used", "weight")


def test_a_measured_loss_beside_a_row_is_no_weight(home: Home, tmp_path: Path) -> None:
    assert read(home, tmp_path, "a.jsonl", [chat(loss=0.3)]).rows[0]["metadata"] == {"loss": 0.3}


def test_rows_marked_not_to_be_trained_on_are_kept_aside(home: Home, tmp_path: Path) -> None:
    found = read(home, tmp_path, "a.jsonl", [chat("q1", train=True), chat("q2", train=False)])
    assert len(found.rows) == 1 and "marked train: false" in found.rejected[0]


def test_functions_and_thoughts_are_read(home: Home, tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "w", "arguments": "{}"}}
    turns = [user("q"), call, {"role": "function", "name": "w", "content": "21"}, answer("21", thinking="So")]
    found = read(home, tmp_path, "a.jsonl", [{"messages": turns, "functions": [{"name": "w"}]}])
    assert found.rows[0]["tools"] == [{"type": "function", "function": {"name": "w"}}]
    assert found.rows[0]["messages"][-1] == answer("21", reasoning_content="So")
    two = {"messages": [user("q"), answer("a", thinking="So", reasoning_content="Thus")]}
    same = {"messages": [user("q"), answer("a", thinking="So", reasoning_content="So\n")]}
    found = read(home, tmp_path, "c.jsonl", [two, same])
    assert len(found.rows) == 1 and "two thoughts that differ" in found.rejected[0]
    beside = read(home, tmp_path, "b.jsonl", [{"question": "q", "reasoning": "So", "answer": "a"}])
    assert beside.rows[0]["messages"][1] == answer("a", reasoning_content="So")


def test_pictures_are_refused_by_name(home: Home, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [chat("<image>Who?", images=["a.jpg"])])
    with pytest.raises(UserError, match="the row has images"):
        Read(home, path)
    found = read(home, tmp_path, "b.jsonl", [chat("q", images=[]), chat("<image>Who?", images=["a.jpg"])])
    assert len(found.rows) == 1 and "has images" in found.rejected[0]
    parts = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "Who?"}]
    assert "pictures" in detect([{"messages": [{"role": "user", "content": parts}, answer("a")]}]).reason


def test_keys_of_messages_are_kept_beside_the_row(home: Home, tmp_path: Path) -> None:
    turns = [{**user("q"), "mood": "calm"}, answer("a", lang="en")]
    found = read(home, tmp_path, "a.jsonl", [{"messages": turns}])
    assert found.rows[0]["metadata"] == {"messages.mood": ["calm", None], "messages.lang": [None, "en"]}


def test_our_own_files_come_back_whole(home: Home, tmp_path: Path) -> None:
    rows = [chat(f"q{n}", metadata={"weight": 3.0, "tags": ["x"]}) for n in range(3)]
    rows += [{"messages": [user("q"), answer("no", weight=0.0), user("q"), answer("a", reasoning_content="So")]}]
    before = read(home, tmp_path, "a.jsonl", rows).rows
    assert before == rows
    for method in ("jsonl", "parquet"):
        made = write_export(home, "x", EXPORTS.parse(method), tmp_path / method)
        assert Read(home, list(made.data.values())).rows == before


def test_a_column_that_repeats_what_is_read_is_no_question(home: Home, tmp_path: Path) -> None:
    row = {"prompt": "q", "prompt_id": "1", **chat()}
    found = read(home, tmp_path, "a.jsonl", [row])
    assert found.kind == "conversation" and found.rows[0]["metadata"] == {"prompt": "q", "prompt_id": "1"}


# ---- no poorer format ----------------------------------------------------------------------------------------


def test_pairs_that_repeat_a_system_prompt_are_pairs(home: Home, tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be brief."}
    sides = {side: [system, user("q"), answer(side)] for side in ("chosen", "rejected")}
    found = read(home, tmp_path, "a.jsonl", [{"prompt": "q", **sides}])
    assert found.rows == [
        {"prompt": [system, user("q")], "chosen": [answer("chosen")], "rejected": [answer("rejected")]}
    ]


def test_reasons_are_given_where_the_richer_format_fails(home: Home, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"prompt": "q", "chosen": "same", "rejected": "same"}] * 3)
    with pytest.raises(UserError, match="None of the 3 rows can be read as Preference pairs") as caught:
        Read(home, path)
    assert "are the same" in caught.value.message
    assert "are the same" in preview_source(path).reason


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"text": "a", "label": "b"}, "'label' beside may be more"),
        ({"prompt": "q", "targets": ["a"]}, "'targets' beside may be more"),
        ({"content": "a", "summary": "b"}, "'summary' beside may be more"),
        ({"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}, "stepwise supervision"),
        ({"prompt": "q", "responses": ["a", "b"]}, "several answers to one prompt"),
        ({"data": {"prompt": "q"}, "annotations": [{}]}, "Label Studio"),
        ({"fields": {"prompt": "q"}, "responses": []}, "Argilla"),
        ({"sentence": "a", "label": 1}, "sentences to classify"),
        ({"message_tree_id": "t", "prompt": {"text": "q", "role": "prompter", "replies": []}}, "trees of messages"),
        ({"message_id": "1", "parent_id": None, "role": "prompter", "text": "q"}, "trees of messages"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(row: Row, says: str) -> None:
    found = detect([row] * 3)
    assert found.format is None and says in found.reason


def test_a_missing_value_of_pandas_is_no_input(home: Home, tmp_path: Path) -> None:
    rows = [
        {"instruction": "a", "input": math.nan, "output": "x"},
        {"instruction": "b", "input": math.nan, "output": "y"},
    ]
    found = read(home, tmp_path, "a.parquet", rows)
    assert found.rows[0] == {"messages": [user("a"), answer("x")]} and found.uses["input"][0] == "left out"


def test_messages_one_a_row_become_conversations(home: Home, tmp_path: Path) -> None:
    turns = [user("q1"), answer("a1"), user("q2"), answer("a2")]
    found = read(home, tmp_path, "a.json", turns)
    assert found.rows == [{"messages": turns}] and found.uses.keys() == {"role", "content"}
    numbered = [{"conversation_id": place // 2, "mood": "calm", **turn} for place, turn in enumerate(turns)]
    found = read(home, tmp_path, "b.jsonl", [numbered[0], numbered[2], numbered[1], numbered[3]])
    assert [row["messages"] for row in found.rows] == [turns[:2], turns[2:]]
    assert found.rows[1]["metadata"] == {"conversation_id": 1, "messages.mood": ["calm", "calm"]}
    said = [
        {"chat_id": place // 2, "sender": ["human", "bot"][place % 2], "text": turn["content"]}
        for place, turn in enumerate(turns)
    ]
    found = read(home, tmp_path, "d.jsonl", said)
    assert [row["messages"] for row in found.rows] == [turns[:2], turns[2:]]
    bare = read(home, tmp_path, "c.jsonl", [turns[:2], turns[2:]])
    assert [row["messages"] for row in bare.rows] == [turns[:2], turns[2:]]


def rows_of_talks(*names: str) -> list[Row]:
    """Two talks, a message a row, in columns of these names for the number, who speaks and what is said."""
    turns = [("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2")]
    return [dict(zip(names, (index // 2, *turn), strict=True)) for index, turn in enumerate(turns)]


@pytest.mark.parametrize(
    "number", ["conv_id", "conv", "session", "threadId", "Dialogue Index", "ticket-number", "chat"]
)
def test_talks_are_told_apart_by_whatever_column_numbers_them(home: Home, tmp_path: Path, number: str) -> None:
    found = read(home, tmp_path, "a.jsonl", rows_of_talks(number, "role", "content"))
    assert [row["messages"] for row in found.rows] == [[user("q1"), answer("a1")], [user("q2"), answer("a2")]]
    assert found.uses[number] == ("used", "conversation") and not found.remarks


def test_messages_are_put_in_their_order(home: Home, tmp_path: Path) -> None:
    first, second, third, fourth = rows_of_talks("chat_id", "role", "content")
    mixed = [{**second, "turn": 2}, {**fourth, "turn": 2}, {**third, "turn": 1}, {**first, "turn": 1}]
    found = read(home, tmp_path, "a.jsonl", mixed)
    assert [row["messages"] for row in found.rows] == [[user("q1"), answer("a1")], [user("q2"), answer("a2")]]
    assert found.uses["turn"] == ("used", "order") and found.rows[0]["metadata"] == {"chat_id": 0}


def test_a_message_numbered_as_the_first_begins_a_talk(home: Home, tmp_path: Path) -> None:
    rows = [{**row, "turn_idx": index % 2} for index, row in enumerate(rows_of_talks("note", "role", "content"))]
    found = read(home, tmp_path, "a.jsonl", rows)
    assert [row["messages"] for row in found.rows] == [[user("q1"), answer("a1")], [user("q2"), answer("a2")]]


def test_rows_that_nothing_groups_are_one_talk_and_it_is_said(home: Home, tmp_path: Path) -> None:
    found = read(home, tmp_path, "a.jsonl", rows_of_talks("mood", "role", "content"))
    assert len(found.rows) == 1 and "no column groups" in found.remarks


def test_a_message_of_no_talk_is_kept_aside(home: Home, tmp_path: Path) -> None:
    rows = rows_of_talks("chat_id", "role", "content")
    rows += [{"chat_id": None, **answer("lost")}, {"chat_id": "1", **user("q3")}, {"chat_id": 1, **answer("a3")}]
    found = read(home, tmp_path, "a.jsonl", rows)
    assert found.rejected == ["the row has no chat_id, so it belongs to no conversation."]
    assert len(found.rows) == 2 and found.rows[1]["messages"][2:] == [user("q3"), answer("a3")]


@pytest.mark.parametrize("side", ['[{"role": "user", "content": "x"}]', '{"role": "admin"}', "[1, 2]", "plain", TALK])
def test_a_text_stays_a_text_whatever_it_holds(home: Home, tmp_path: Path, side: str) -> None:
    found = read(home, tmp_path, "a.jsonl", [{"prompt": "Write JSON", "completion": side}])
    assert found.rows[0]["messages"] == [user("Write JSON"), answer(side)]
    pair = read(home, tmp_path, "b.jsonl", [{"prompt": "Write JSON", "chosen": side, "rejected": "no"}])
    assert pair.rows[0]["chosen"] == [answer(side)]


def test_scores_make_pairs_with_margins_and_ties_are_said(home: Home, tmp_path: Path) -> None:
    rows = [
        {"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": c, "score_rejected": r}
        for c, r in ((8, 2), (5, 5), (1, 3))
    ]
    found = read(home, tmp_path, "a.jsonl", rows)
    assert [row["metadata"]["margin"] for row in found.rows] == [6, 0, -2]
    assert "ties, both sides having the same score: 1" in found.remarks and "inverted" in found.remarks
    scored = [
        {"response": "good", "overall_score": 8},
        {"response": "fair", "overall_score": 5},
        {"response": "bad", "overall_score": 1},
    ]
    found = read(
        home,
        tmp_path,
        "b.jsonl",
        [{"instruction": "q", "completions": scored}, {"instruction": "q", "completions": scored[:1] * 2}],
    )
    assert found.rows[0]["chosen"] == [answer("good")] and found.rows[0]["rejected"] == [answer("bad")]
    assert found.rows[0]["metadata"]["completions"] == scored and "a tie" in found.rejected[0]
    row = {"prompt": "q", "response_0": "bad", "response_1": "good", "better_response_id": 1}
    assert read(home, tmp_path, "c.jsonl", [row]).rows[0]["chosen"] == [answer("good")]


def test_of_ranks_the_smallest_is_the_best(home: Home, tmp_path: Path) -> None:
    answers = [{"answer": text, "rank": rank} for text, rank in (("fair", 3), ("good", 1.0), ("bad", 7.0))]
    beside = {"prompt": "q", "responses": ["bad", "good"], "ranks": [2, 1]}
    for name, row in (("a.jsonl", {"prompt": "q", "answers": answers}), ("b.jsonl", beside)):
        pair = read(home, tmp_path, name, [row]).rows[0]
        assert (pair["chosen"], pair["rejected"]) == ([answer("good")], [answer("bad")])
        assert pair["metadata"]["chosen_score"] == 1 and pair["metadata"]["margin"] > 0


def test_answers_beside_a_prompt_are_never_prompts_alone(home: Home, tmp_path: Path) -> None:
    for row in ({"question": "q", "answerKey": "B"}, {"prompt": "q", "response_a": "x", "response_b": "y"}):
        with pytest.raises(UserError, match="beside may be more than that"):
            read(home, tmp_path, "a.jsonl", [row])


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_a_placeholder_without_its_picture_is_said(home: Home, tmp_path: Path, suffix: str) -> None:
    rows = [chat("<image>\nWhat is it?"), chat("What does <image> mean in HTML?"), chat("And <img>?")]
    rows += [chat("Who? <image_2>"), chat("<|vision_start|>Who?"), chat("[IMG] Who?"), chat("See <|im_start|>")]
    found = read(home, tmp_path, f"a.{suffix}", rows)
    assert len(found.rows) == 7 and "learned as the text <image>: 1" in found.remarks
    assert all(f"learned as the text {mark}: 1" in found.remarks for mark in ("<image_2>", "<|vision_start|>", "[IMG]"))
    assert found.remarks.count("learned as the text") == 4


def test_published_layouts_are_read(home: Home, tmp_path: Path) -> None:
    value = [{"type": "text", "value": "hi"}]
    parts = {
        "messages": [{"role": "user", "content": value}, {"role": "assistant", "content": value, "loss_weight": 1.0}]
    }
    assert read(home, tmp_path, "v1.jsonl", [parts]).rows == [{"messages": [user("hi"), answer("hi")]}]
    squad = {"version": "2", "data": [{"title": "t", "paragraphs": [{"context": "Moss grows.", "qas": [
        {"id": "1", "question": "What?", "answers": [{"text": "Moss", "answer_start": 0}]},
        {"id": "2", "question": "Why?", "answers": [], "is_impossible": True}]}]}]}  # fmt: skip
    found = read(home, tmp_path, "squad.json", squad)
    assert found.rows[0]["messages"] == [user("What?\n\nMoss grows."), answer("Moss")]
    assert found.rows[0]["metadata"]["title"] == "t" and "no answer" in found.rejected[0]
    xlam = {"query": "q", "tools": '[{"name": "f"}]', "answers": '[{"name": "f", "arguments": {"x": 1}}]'}
    turn = read(home, tmp_path, "xlam.jsonl", [xlam]).rows[0]["messages"][1]
    assert turn["tool_calls"][0]["function"] == {"name": "f", "arguments": {"x": 1}}
    given = {"messages": [user("q")], "tools": [], "parallel_tool_calls": True}
    pair = {"input": given, "preferred_output": [answer("a")], "non_preferred_output": [answer("b")]}
    found = read(home, tmp_path, "openai.jsonl", [pair])
    assert found.rows[0]["chosen"] == [answer("a")]
    assert found.rows[0]["metadata"] == {"input.parallel_tool_calls": True}


def test_transcripts_are_turns_wherever_they_stand(home: Home, tmp_path: Path) -> None:
    talk = "\n\nHuman: q\n\nAssistant: a"
    assert read(home, tmp_path, "a.jsonl", [{"text": talk}]).rows[0]["messages"] == [user("q"), answer("a")]
    start = "\n\nHuman: q\n\nAssistant:"
    for chosen, other in ((" a", " b"), (f"{start} a", f"{start} b")):
        row = {"prompt": start, "chosen": chosen, "rejected": other}
        pair = read(home, tmp_path, "b.jsonl", [row]).rows[0]
        assert pair["prompt"] == [user("q")] and pair["chosen"][0]["content"].strip() == "a"
    assert read(home, tmp_path, "c.txt", talk).rows[0]["messages"] == [user("q"), answer("a")]


# ---- texts and tables ----------------------------------------------------------------------------------------

WRAPPED = """This is a text that somebody wrapped by hand at about sixty
characters, as one did in letters, so that its lines break
off in the middle of sentences and none is a document alone.
"""


@pytest.mark.parametrize(
    ("name", "text", "rows", "says"),
    [
        (
            "a.txt",
            "One line.\nAnother line.\nA third.\n",
            3,
            "one document a line: 3; one document a paragraph would be 1",
        ),
        ("a.txt", "First,\nof two lines.\n\nSecond.\n", 2, "one document a paragraph: 2"),
        ("a.txt", WRAPPED, 1, "one document in all: 1"),
        ("a.md", "# Title\n\nText.\n\n- item\n", 1, "one document in all: 1"),
        (
            "a.txt",
            "".join(f"Article {n} stands on one line.\n" for n in range(30)) + "\nThe last one.\n",
            31,
            "a line: 31",
        ),
    ],
)
def test_what_a_document_is_is_found_and_said(
    home: Home, tmp_path: Path, name: str, text: str, rows: int, says: str
) -> None:
    path = write(tmp_path / name, text)
    found = Read(home, path)
    assert len(found.rows) == rows and says in found.remarks
    assert says in " ".join(preview_source(path).remarks)
    assert len(Read(home, path, documents="lines").rows) == len([line for line in text.splitlines() if line.strip()])
    assert len(Read(home, path, documents="whole").rows) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "question,answer\nq,a\n"),
        ("a.csv", "sep=;\nquestion;answer\nq;a\n"),
        ("a.csv", "question\tanswer\nq\ta\n"),
        ("a.tsv", "question\tanswer\nq\ta\n"),
        ("a.txt", "question\tanswer\nq\ta\n"),
        ("a.txt", "#separator:tab\n#html:false\nq\ta\n"),
        ("a.txt", "#separator:Semicolon\n#columns:Front;Back\nq;a\n"),
        ("a.txt", "q\ta\n"),
    ],
)
def test_tables_are_read_however_they_are_written(home: Home, tmp_path: Path, name: str, text: str) -> None:
    assert read(home, tmp_path, name, text).rows == [{"messages": [user("q"), answer("a")]}]


@pytest.mark.parametrize(
    "text", ['{"prompt": "q", "completion": "a"}\n' * 2, '[\n {"prompt": "q", "completion": "a"}\n]']
)
def test_rows_of_json_in_a_text_file_are_rows(home: Home, tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.txt", text)
    assert {str(row) for row in Read(home, path).rows} == {str({"messages": [user("q"), answer("a")]})}
    assert Read(home, path, documents="whole").rows == [{"text": text.strip()}]
    found = read(home, tmp_path, "b.txt", "[1] A reference.\n{ a brace }\n")
    assert [row["text"] for row in found.rows] == ["[1] A reference.", "{ a brace }"]


def test_a_first_line_that_is_no_header_is_a_row(home: Home, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Where is Oslo?,It is in Norway.\nWhere is Bonn?,It is in Germany.\n")
    with pytest.raises(UserError, match="No format knows these columns: column_1, column_2"):
        Read(home, path)
    names = {"prompt": "column_1", "completion": "column_2"}
    found = Read(home, path, names, format={"method": "prompt_completion"})
    assert [row["messages"][1]["content"] for row in found.rows] == ["It is in Norway.", "It is in Germany."]
    assert "no header" in found.remarks


def test_a_stray_quote_costs_one_line(home: Home, tmp_path: Path) -> None:
    lines = ["prompt,completion", "1 a,b", '2 c,"He said', "3 e,f", '4 g,"closed"', "5 i,j"]
    found = read(home, tmp_path, "a.csv", "\n".join(lines) + "\n")
    assert [row["messages"][0]["content"] for row in found.rows] == ["1 a", "3 e", "4 g", "5 i"]
    assert [row.line for row in rejected(home, "x")] == [3]


# ---- where it is told ----------------------------------------------------------------------------------------


def test_the_job_and_the_manifest_tell_the_account(home: Home, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [chat(f"q{n}", page=n) for n in range(9)])
    (home.jobs / "1").mkdir()
    job = JOBS.parse({"method": "import-data", "name": "a", "source": {"method": "files", "paths": [str(path)]}})
    result = job.run(JobContext(home, home.jobs / "1"))
    assert {line["column"]: line["use"] for line in result["columns"]} == {
        "messages": "used", "messages.role": "used", "messages.content": "used", "page": "kept",
    }  # fmt: skip
