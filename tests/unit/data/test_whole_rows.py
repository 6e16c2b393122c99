"""Steps, statistics and findings see a row as a whole: its thoughts, tool calls and tools as well as its words."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Outcome, StepWork
from workbench.data.recipes.turns import edited, turn_texts, word_counts
from workbench.data.statistics.lengths import LengthMeasure, spoken
from workbench.data.text.duplicates import near_groups
from workbench.rendering.row_findings import row_findings
from workbench.rows.split_rows import Rows
from workbench.rows.table import table_of
from workbench.rows.turn_text import calls_text, full_texts, turn_text

Row = dict[str, Any]
SUM = "Solve the equation {} for x and explain every step of the solution in detail, please, then check it by hand."
MAIL = "jane.doe@example.org"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def call(name: str, **arguments: Any) -> Row:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: Row, thought: str = "", content: str = "", tools: list[Row] | None = None) -> Row:
    answer: Row = {"role": "assistant", "content": content, "tool_calls": list(calls)}
    if thought:
        answer["reasoning_content"] = thought
    return {
        "messages": [{"role": "user", "content": "Book it for me"}, answer], **({"tools": tools} if tools else {})
    }  # fmt: skip


def tool(name: str, description: str) -> Row:
    schema = {"type": "object", "properties": {"description": {"type": "string", "description": description}}}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def asked(question: str, answer: str) -> Row:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def apply(home: Home, method: str, rows: list[Row], kind: str = "conversation", **options: Any) -> Outcome:
    step = STEPS.parse({"method": method, **options})
    return step.apply(Rows.of(kind, table_of(kind, rows)), StepWork(home))


@pytest.mark.parametrize("method", ["exact_duplicates", "near_duplicates"])
def test_rows_with_other_calls_are_no_copies(home: Home, method: str) -> None:
    rows = [
        calling(call("book", hotel="Ritz", nights=1)),
        calling(call("book", hotel="Ritz", nights=2)),
        calling(call("cancel", hotel="Ritz", nights=1)),
        calling(call("book", nights=1, hotel="Ritz")),
    ]
    assert list(apply(home, method, rows).removed) == [3]


@pytest.mark.parametrize("method", ["exact_duplicates", "near_duplicates"])
def test_rows_with_other_tools_or_thoughts_are_no_copies(home: Home, method: str) -> None:
    booked = call("book", nights=1)
    rows = [
        calling(booked, tools=[tool("book", "Books a room.")]),
        calling(booked, tools=[tool("cancel", "Gives back a flight, a train or a bus ticket.")]),
        calling(booked, thought="They want one night."),
        calling(booked, thought="Which hotel? The usual one."),
    ]
    assert not apply(home, method, rows).removed


def test_ids_of_calls_make_no_difference() -> None:
    one, two = ({"id": name, **call("book", nights=1)} for name in ("call_1", "call_2"))
    assert calls_text([one]) == calls_text([two])


def test_leaks_and_benchmarks_are_found_in_calls_and_thoughts(home: Home) -> None:
    riddle = "which of these seven animals lays its eggs in the nests of other birds"
    (home.root / "benchmarks").mkdir()
    (home.root / "benchmarks" / "quiz.txt").write_text(riddle)
    rows = [
        calling(call("search", query=riddle)),
        calling(call("search", query="hotels"), thought=f"They ask {riddle}."),
        calling(call("search", query="hotels"), tools=[tool("search", f"Knows {riddle}.")]),
        calling(call("search", query="hotels")),
    ]
    assert list(apply(home, "decontaminate", rows, file="quiz.txt").removed) == [0, 1, 2]


def test_personal_data_is_masked_wherever_it_is_learned(home: Home) -> None:
    row = calling(
        call("mail", to=MAIL, copies=[MAIL, "x"], card=4111111111111111, urgent=True, again=2),
        thought=f"Write to {MAIL}.", content="Sent.", tools=[tool("mail", f"Mails, from {MAIL}.")],
    )  # fmt: skip
    made, verdict = apply(home, "pii", [row]).changed[0]
    turn, function = made["messages"][1], made["tools"][0]["function"]
    arguments = turn["tool_calls"][0]["function"]["arguments"]
    assert arguments == {"to": "[EMAIL]", "copies": ["[EMAIL]", "x"], "card": "[CARD]", "urgent": True, "again": 2}
    assert turn["reasoning_content"] == "Write to [EMAIL]."
    assert function["description"] == "Mails, from [EMAIL]." and function["name"] == "mail"
    assert MAIL not in str(made) and MAIL in verdict.excerpts


def test_a_pattern_finds_a_called_function_by_its_name_and_never_renames_it(home: Home) -> None:
    rows = [calling(call("delete_all", path="/tmp")), calling(call("book", path="/tmp"))]
    assert list(apply(home, "pattern", rows, patterns=["^delete_"]).removed) == [0]
    renamed = apply(home, "pattern", rows, patterns=["delete_all|/tmp"], action="replace", replacement="x").changed
    functions = [renamed[place][0]["messages"][1]["tool_calls"][0]["function"] for place in (0, 1)]
    assert functions == [
        {"name": "delete_all", "arguments": {"path": "x"}},
        {"name": "book", "arguments": {"path": "x"}},
    ]


def test_a_schema_keeps_its_structure_when_texts_are_replaced() -> None:
    definition = tool("string", "string")
    row = edited("conversation", calling(call("f"), tools=[definition]), "all", lambda text: text.upper())
    assert row["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "string",
                "description": "STRING",
                "parameters": {
                    "type": "object",
                    "properties": {"description": {"type": "string", "description": "STRING"}},
                },
            },
        }
    ]


def test_markup_in_an_argument_is_data_and_in_a_thought_it_goes(home: Home) -> None:
    row = calling(call("write", html="<b>bold</b>"), thought="So <b>bold</b>.")
    made = apply(home, "markup", [row]).changed[0][0]["messages"][1]
    assert made["reasoning_content"] == "So bold." and made["tool_calls"] == row["messages"][1]["tool_calls"]


def test_lengths_count_calls_and_tools(home: Home) -> None:
    long = calling(call("say", text="word " * 50))
    wide = calling(call("say", text="word"), tools=[tool("say", "word " * 50)])
    for action in ({"part": "all"}, {"part": "answer"}):
        removed = apply(home, "token_length", [long, calling(call("say", text="word"))], most=30, **action).removed
        assert list(removed) == [0]
    assert list(apply(home, "token_length", [wide, calling(call("f"))], most=30).removed) == [0]


def test_statistics_count_what_steps_count() -> None:
    row = calling(call("say", text="one two"), thought="Think twice", content="Hi", tools=[tool("say", "Says it.")])
    table = table_of("conversation", [row])
    assert "\n".join(words for _, words in spoken(row)) == Rows.of("conversation", table).texts("all")[0].as_py()
    texts = ["one two", "北京是中国的首都", "a b c"]
    assert LengthMeasure().lengths(texts) == word_counts(pa.array(texts)).tolist() == [2, 4, 3]


def test_words_of_scripts_without_spaces_are_counted_by_two_characters() -> None:
    texts = [
        "北京是首都，有三千多年的历史。",
        "光合作用 is photosynthesis",
        "これはペンです",
        "สวัสดี",
        "Ein\u3000Wort mehr",
        "字",
        "",
    ]
    assert word_counts(pa.array(texts)).tolist() == [7, 4, 4, 3, 3, 1, 0]


def test_a_chinese_answer_of_sixty_characters_is_not_two_words(home: Home) -> None:
    answer = (
        "光合作用是绿色植物利用太阳光的能量，把二氧化碳和水转化为有机物并释放氧气的过程，是地球上最重要的化学反应之一。"
    )
    rows = [asked("什么是光合作用？", answer), asked("Say it", "Just five words here now")]
    assert list(apply(home, "token_length", rows, least=10).removed) == [1]
    assert list(apply(home, "long_answers", rows, share=0.5).removed) == [1]


def test_sums_with_other_numbers_are_no_near_copies(home: Home) -> None:
    rows = [
        asked(SUM.format(f"{n}x + 3 = {n * 5 + 3}"), f"Subtract 3, then divide by {n}; x is 5.") for n in range(2, 9)
    ]
    assert not apply(home, "near_duplicates", rows).removed
    assert len(apply(home, "near_duplicates", rows, numbers=0).removed) == 6


def test_long_copies_with_one_other_number_are_still_copies() -> None:
    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(120)]
    texts = [" ".join([*words, number, *reversed(words)]) for number in ("1", "2")]
    assert near_groups(pa.array(texts)).tolist() == [0, 0]
    same = [SUM.format("2x = 4"), SUM.format("2x = 4").replace("explain", "tell").replace("by hand", "twice")]
    assert near_groups(pa.array(same), short=5).tolist() == [0, 0]


def test_findings_name_what_was_never_filled_in() -> None:
    for text, kind in (
        ("Dear {{name}}, hello", "placeholder"), ("Dear [Your Name],", "placeholder"), ("<your-key>", "placeholder"),
        ("<image>\nWho is this?", "media mark"), ("<|video_pad|> see", "media mark"),
    ):  # fmt: skip
        assert [finding.kind for finding in row_findings(asked("q", text))] == [kind], text
        assert [finding.kind for finding in row_findings({"text": text})] == [kind], text
    for text in ("f'{name}' and {'a': {}}", "[Your site](https://x.org)", "List<int>", "an image"):
        assert row_findings(asked("q", text)) == [], text


def test_findings_name_pairs_without_a_preference() -> None:
    def pair(chosen: str, rejected: str, **metadata: float) -> Row:
        sides = {
            side: [{"role": "assistant", "content": text}]
            for side, text in (("chosen", chosen), ("rejected", rejected))
        }
        return {"prompt": [{"role": "user", "content": "q"}], **sides, **({"metadata": metadata} if metadata else {})}

    def kinds(row: Row) -> list[str]:
        return [finding.kind for finding in row_findings(row)]

    assert kinds(pair("Yes.", "yes")) == ["identical pair"]
    assert kinds(pair("?", "!")) == [] and kinds(pair("good", "bad", chosen_score=2, rejected_score=1)) == []
    assert kinds(pair("good", "bad", chosen_score=2, rejected_score=2)) == ["tied pair"]
    assert kinds(pair("good", "bad", margin=0.0)) == ["tied pair"]


LEAVES = st.one_of(st.text('ab @{}"\n', max_size=8), st.integers(-99, 99), st.booleans(), st.none(), st.floats(-9, 9))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("kq", max_size=2), inner, max_size=3)
)
ROWS = st.lists(
    st.builds(
        lambda arguments, thought, content: calling(call("f", **arguments), thought=thought, content=content),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3),
        st.text("ab", max_size=5), st.text("xy", max_size=5),
    ), min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_columns_say_what_the_rows_say(rows: list[Row]) -> None:
    """The vectorised texts equal those made row by row; editing with nothing to change changes nothing."""
    table = table_of("conversation", rows)
    turns = table.column("messages").combine_chunks().flatten()
    assert full_texts(turns).to_pylist() == [turn_text(turn) for row in rows for turn in row["messages"]]
    assert [edited("conversation", row, "all", str) for row in rows] == rows
    pieces = turn_texts(Rows.of("conversation", table), "all")
    marked = [edited("conversation", row, "all", lambda text: f"<{text}>") for row in rows]
    again = turn_texts(Rows.of("conversation", table_of("conversation", marked)), "all")
    wanted = sorted(text if text == "f" else f"<{text}>" if text else "" for text in pieces.texts.to_pylist())
    assert sorted(again.texts.to_pylist()) == wanted and (again.rows == pieces.rows).all()
