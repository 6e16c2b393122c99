"""Steps that choose rows: copies, leaks, lengths, turns, samples and mixtures."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.toys import conversations, toy_model, toy_tokenizer
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.recipes.draws import repeated, shuffled
from workbench.data.recipes.step import STEPS, Outcome, StepWork
from workbench.data.recipes.turns import word_counts
from workbench.data.store.datasets import write_rows
from workbench.data.text import embedding
from workbench.data.text.repetition_measures import fresh_words, measures
from workbench.rows.split_rows import Rows
from workbench.rows.table import rows_of, table_of

OAK = "The old oak by the quiet lake has stood there for three hundred years and every spring its leaves come again"
Row = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def talk(question: str, answer: str) -> Row:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def said(*turns: tuple[str, str]) -> Row:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def given(rows: list[Row], kind: str = "conversation", splits: list[str] | None = None) -> Rows:
    return Rows.of(kind, table_of(kind, rows), splits)


def apply(home: Home, method: str, rows: list[Row], kind: str = "conversation", **settings: Any) -> Outcome:
    return STEPS.parse({"method": method, **settings}).apply(given(rows, kind), StepWork(home))


def faults(home: Home, method: str, kind: str = "conversation", **settings: Any) -> list[str]:
    problems = Problems()
    STEPS.parse({"method": method, **settings}).check(home, kind, problems)
    return [problem.field for problem in problems.found]


def test_exact_duplicates_keep_the_one_asked_for(home: Home) -> None:
    rows = [talk("Hi!", "Hello"), talk("hi", "hello."), talk("hi", "  hello ... "), talk("Ho", "Hello")]
    assert list(apply(home, "exact_duplicates", rows).removed) == [1, 2]
    assert list(apply(home, "exact_duplicates", rows, keep="last").removed) == [0, 1]
    assert list(apply(home, "exact_duplicates", rows, keep="longest").removed) == [0, 1]
    assert not apply(home, "exact_duplicates", rows, normalise=False).removed
    same = apply(home, "exact_duplicates", [talk("q", "a"), talk("q", "b")], compare="prompt").removed
    assert list(same) == [1] and "prompt as row 1" in same[1].reason
    assert faults(home, "exact_duplicates", "text", compare="prompt") == ["compare"]


def test_equal_answers_with_other_labels_are_no_copies(home: Home) -> None:
    row = {"prompt": talk("q", "a")["messages"][:1], "completion": talk("q", "a")["messages"][1:]}
    rows = [{**row, "label": label} for label in (True, False, True)]
    assert list(apply(home, "exact_duplicates", rows, "unpaired").removed) == [2]
    assert list(apply(home, "near_duplicates", rows, "unpaired").removed) == [2]


def test_near_duplicates_name_the_row_and_what_differs(home: Home) -> None:
    rows = [talk("q", OAK), talk("q", f"{OAK}, they say"), talk("q", "Something else altogether, of no interest.")]
    removed = apply(home, "near_duplicates", rows).removed
    assert list(removed) == [1] and "row 1: similarity 0." in removed[1].reason
    assert removed[1].excerpts == ("again,", "they", "say")
    assert list(apply(home, "near_duplicates", rows, keep="longest").removed) == [0]


def calling(function: str, answer: str, arguments: dict[str, Any] | None = None) -> Row:
    call = {"type": "function", "function": {"name": function, "arguments": arguments or {"city": "Lyon"}}}
    asked, told = talk("What is it like in Lyon?", answer)["messages"]
    return {"messages": [asked, {"role": "assistant", "content": "", "tool_calls": [call]}, told]}


def test_rows_that_call_other_tools_are_no_near_duplicates(home: Home) -> None:
    rows = [calling(name, OAK) for name in ("get_weather", "get_news", "get_weather", "get_news")]
    assert list(apply(home, "near_duplicates", rows).removed) == [2, 3]
    assert list(apply(home, "near_duplicates", rows, compare="prompt", short=0).removed) == [1, 2, 3]
    more = [calling("get_weather", OAK), calling("get_weather", f"{OAK}, they say"), talk("What is it like?", OAK)]
    assert list(apply(home, "near_duplicates", more).removed) == [1]
    turns = [row["messages"] for row in rows]
    pair = [{"prompt": one[:1], "chosen": one[1:], "rejected": other[1:]} for one, other in (turns[:2], turns[1::-1])]
    assert apply(home, "near_duplicates", pair, "preference").removed == {}


def test_the_best_duplicate_is_long_without_repeating(home: Home) -> None:
    padded = f"{OAK} {'and again ' * 3}".strip()
    rows = [talk("q", OAK), talk("q", padded + " and again" * 9), talk("q", f"{OAK}, they say")]
    assert fresh_words(pa.array([OAK, "a b c d e " * 10])).tolist() == [21, 9]
    kept = {0, 1, 2} - set(apply(home, "near_duplicates", rows, keep="best", threshold=0.3).removed)
    assert len(kept) == 1


def test_leakage_takes_only_train_rows(home: Home) -> None:
    rows = given(
        [talk("q", OAK), talk("q", f"{OAK}."), talk("q", f"{OAK}, they say"), talk("x", "Else.")],
        splits=["train", "eval", "train", "eval"],
    )
    step = STEPS.parse({"method": "leakage"})
    outcome = step.apply(rows, StepWork(home))
    assert list(outcome.removed) == [0, 2] and "row 2 of eval" in outcome.removed[0].reason
    assert list(STEPS.parse({"method": "leakage", "threshold": 1}).apply(rows, StepWork(home)).removed) == [0]
    assert "after the split" in step.apply(given(rows.rows()), StepWork(home)).notes[0]


def test_lengths_are_words_without_a_model_and_tokens_with_one(home: Home) -> None:
    rows = [talk("one two", "three"), talk("one", "two three four five")]
    words = apply(home, "token_length", rows, most=4).removed
    assert {place: verdict.reason for place, verdict in words.items()} == {1: "5 words, more than 4."}
    toy_model(home)
    step = STEPS.parse({"method": "token_length", "model": "toy", "most": 10})
    assert "tokens, more than 10." in step.apply(given(rows), StepWork(home)).removed[1].reason
    assert len(step.inputs(home)) == 1
    assert faults(home, "token_length", model="none") == ["model"]
    assert faults(home, "token_length", least=9, most=3) == ["most"]


def test_each_side_of_a_pair_is_measured(home: Home) -> None:
    row = {"prompt": talk("a b", "")["messages"][:1], "chosen": [{"role": "assistant", "content": "c"}]}
    rows = [{**row, "rejected": [{"role": "assistant", "content": "d e f"}]}]
    assert apply(home, "token_length", rows, "preference", most=4).removed[0].reason == "5 words, more than 4."
    assert not apply(home, "token_length", rows, "preference", most=5).removed
    short = apply(home, "token_length", rows, "preference", least=2, part="answer").removed
    assert short[0].reason == "1 word, fewer than 2."


def test_words_are_counted_as_python_splits() -> None:
    texts = ["", " ", "a", " a  b\n\tc ", "ä ö", "x" * 99, "end "]
    assert word_counts(pa.array(texts)).tolist() == [len(text.split()) for text in texts]


def test_turns_do_not_count_system_prompts(home: Home) -> None:
    rows = [said(("system", "s"), ("user", "u"), ("assistant", "a")), said(("user", "u"), ("assistant", "a"))]
    assert not apply(home, "turns", rows, least=2, most=2).removed
    assert apply(home, "turns", rows, least=0, most=1).removed[0].reason == "2 turns, more than 1."


def test_blank_turns_go_and_calls_stay(home: Home) -> None:
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}],
    }
    calling = {
        "messages": [
            {"role": "user", "content": "u"},
            call,
            {"role": "tool", "content": "4"},
            {"role": "assistant", "content": "4"},
        ]
    }
    rows = [said(("user", "u"), ("assistant", "a"), ("user", "\u200b…"), ("assistant", "b")), calling]
    outcome = apply(home, "empty_turns", rows)
    assert list(outcome.changed) == [0] and outcome.changed[0][1].excerpts == ("\u200b…",)
    assert len(outcome.changed[0][0]["messages"]) == 3
    assert list(apply(home, "empty_turns", rows, action="drop row").removed) == [0]
    assert not apply(home, "role_order", rows).removed


@pytest.mark.parametrize(
    ("turns", "reason", "mended"),
    [
        ([("user", "a"), ("user", "b"), ("assistant", "c")], "user after user", 2),
        ([("user", "a"), ("assistant", "b"), ("user", "c")], "last turn is user", 2),
        ([("assistant", "a"), ("user", "b"), ("assistant", "c")], "assistant at the beginning", 0),
        ([("system", "s"), ("assistant", "a")], "assistant after system", 0),
        ([("user", "a"), ("tool", "b"), ("assistant", "c")], "tool after user", 0),
    ],
)
def test_roles_out_of_order_are_mended_or_go(home: Home, turns: list[Any], reason: str, mended: int) -> None:
    outcome = apply(home, "role_order", [said(*turns)])
    verdict = outcome.changed[0][1] if mended else outcome.removed[0]
    assert reason in verdict.reason
    assert not mended or len(outcome.changed[0][0]["messages"]) == mended
    assert list(apply(home, "role_order", [said(*turns)], action="drop").removed) == [0]


@pytest.mark.parametrize(
    ("answer", "reason", "found"),
    [
        ("well then " * 30, "one repeated phrase", "well then well"),
        (f"Start {'z' * 80} end", "80 times the same character", "z" * 80),
        (" ".join(f"{letter}=$%&*+#<>" for letter in "abcdefghijklmnopqrstuvw"), "are signs", ""),
        (f"{OAK}.\n{OAK}.\nYes.", "words were there before", "The old oak by the"),
    ],
)
def test_repetition_is_found_with_its_figure(home: Home, answer: str, reason: str, found: str) -> None:
    rows = [talk("q", answer), talk("q", OAK), talk("q", "---" * 40 + "\nshort")]
    outcome = apply(home, "repetition", rows)
    assert list(outcome.removed) == [0] and reason in outcome.removed[0].reason
    assert outcome.removed[0].excerpts == ((found,) if found else ())


def test_figures_of_repetition_hang_on_their_own_text_alone() -> None:
    texts = [OAK, "a b c " * 20, "", "no", f"{OAK}.\n{OAK}."]
    together = measures(pa.array(texts))
    for place, text in enumerate(texts):
        alone = measures(pa.array([text]))
        for name in ("words", "again", "top", "lines", "signs", "run"):
            assert getattr(alone, name)[0] == getattr(together, name)[place], (name, text)
    assert together.top[1] > 0.9 and together.again[0] == 0 and together.again[1] > 0.8


def test_long_answers_are_kept_by_their_share(home: Home) -> None:
    rows = [talk("q", "word " * count) for count in (3, 1, 4, 2)]
    removed = apply(home, "long_answers", rows, share=0.5).removed
    assert list(removed) == [1, 3] and removed[1].reason.startswith("1 words; the 2 longest")


def test_decontaminate_finds_runs_and_whole_short_prompts(home: Home) -> None:
    write_rows(
        home,
        "exam",
        "prompts",
        [{"prompt": talk(OAK, "")["messages"][:1]}, {"prompt": talk("Why?", "")["messages"][:1]}],
    )
    eight = " ".join(OAK.split()[3:11])
    rows = [
        talk(f"He wrote: {eight.upper()}, so.", "Yes."),
        talk("why", "No."),
        talk("Why not?", "Hm."),
        talk("old oak", "by"),
    ]
    step = STEPS.parse({"method": "decontaminate", "dataset": "exam"})
    removed = step.apply(given(rows), StepWork(home)).removed
    assert {place: verdict.excerpts for place, verdict in removed.items()} == {0: (eight.upper(),), 1: ("why",)}
    assert "prompt 1 of exam" in removed[0].reason and step.datasets() == ["exam"]
    assert faults(home, "decontaminate") == ["dataset"]
    assert faults(home, "decontaminate", file="../x") == ["file"]


def test_benchmark_files_are_read_as_lines_or_json(home: Home) -> None:
    folder = home.root / "benchmarks"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"question": "Is the quiet lake by the old oak deep or not?"}\n{"answer": 1}\n')
    assert faults(home, "decontaminate", file="a.jsonl") == ["file"]
    (folder / "a.jsonl").write_text('{"question": "Is the quiet lake by the old oak deep or not?"}\n')
    rows = [talk("So: is the quiet lake by the old oak deep?", "Yes.")]
    step = STEPS.parse({"method": "decontaminate", "file": "a.jsonl"})
    assert list(step.apply(given(rows), StepWork(home)).removed) == [0]
    before = step.inputs(home)
    (folder / "a.jsonl").write_text('{"question": "Other?"}\n')
    assert step.inputs(home) != before


def test_samples_are_drawn_by_number_and_seed(home: Home) -> None:
    rows = conversations(100)
    drawn = set(range(100)) - set(apply(home, "sample", rows, count=30).removed)
    assert len(drawn) == 30 and drawn != set(range(30))
    assert drawn != set(range(100)) - set(apply(home, "sample", rows, count=30, seed=1).removed)
    half = given(rows).table.slice(50)
    later = STEPS.parse({"method": "sample", "count": 15}).apply(Rows("conversation", half), StepWork(home))
    order = shuffled(np.arange(50, 100), 0)[:15]
    assert set(range(50)) - set(later.removed) == set(order.tolist())
    assert len(apply(home, "sample", rows, count=0, share=0.25).removed) == 75


def test_orders_are_permutations_and_fair() -> None:
    order = shuffled(np.arange(1000), 3)
    assert sorted(order.tolist()) == list(range(1000))
    assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.1
    twice = repeated(np.arange(5), 12, 0)
    assert sorted(np.bincount(twice).tolist()) == [2, 2, 2, 3, 3]


def test_a_mix_takes_all_rows_or_shares(home: Home) -> None:
    write_rows(home, "more", "conversation", conversations(10, "More."))
    rows = conversations(30)
    every = apply(home, "mix", rows, others={"more": 1})
    assert len(every.added) == 10 and not every.removed
    assert rows_of(every.added)[0]["metadata"] == {"source": "more"}
    half = apply(home, "mix", rows, others={"more": 1}, take="by weight")
    assert len(half.added) == 10 and len(half.removed) == 20
    large = apply(home, "mix", rows, others={"more": 1}, own=3, take="by weight", total=100)
    assert len(large.order or []) == 75 and set(large.order or []) == set(range(30)) and len(large.added) == 25
    assert faults(home, "mix", "text", others={"more": 1, "none": 1}) == ["others.more", "others.none"]


def test_system_prompts_are_added_replaced_and_removed(home: Home) -> None:
    rows = [said(("system", "Old."), ("user", "u"), ("assistant", "a")), said(("user", "u"), ("assistant", "a"))]
    first = {"add where missing": {1}, "replace where present": {0}, "set everywhere": {0, 1}, "remove": {0}}
    for action, places in first.items():
        outcome = apply(home, "system_prompt", rows, action=action, texts=["New."])
        assert set(outcome.changed) == places
    many = apply(home, "system_prompt", conversations(50), texts=["One.", "Two."])
    drawn = {row["messages"][0]["content"] for row, _ in many.changed.values()}
    assert drawn == {"One.", "Two."}
    assert faults(home, "system_prompt", texts=[]) == ["texts"] and faults(home, "system_prompt", texts=[" "]) == [
        "texts[0]"
    ]


def test_weights_go_by_metadata_tags_and_length(home: Home) -> None:
    rows = [
        {**talk("q", "one"), "metadata": {"source": "web", "tags": ["b", "a"]}},
        {**talk("q", "one two three"), "metadata": {"weight": 1.0}},
    ]

    def weights(**settings: Any) -> dict[int, float]:
        outcome = apply(home, "row_weights", rows, **settings)
        return {place: row["metadata"]["weight"] for place, (row, _) in outcome.changed.items()}

    assert weights(by="source", weights={"web": 0.5}) == {0: 0.5}
    assert weights(by="tag", weights={"a": 3, "b": 2}) == {0: 3}
    assert weights(by="length", weights={"2": 2, "3": 4}) == {0: 1, 1: 4}
    assert weights(other=2) == {0: 2, 1: 2}
    assert faults(home, "row_weights", by="length", weights={"long": 1}) == ["weights.long"]


def test_python_of_ones_own_runs_only_when_allowed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "steps").mkdir()
    code = "def step(row):\n    text = row['messages'][1]['content']\n    if 'bad' in text: return 'It is bad.'\n"
    (home.root / "steps" / "mine.py").write_text(
        code + "    row['messages'][1]['content'] = text.upper()\n    return row\n"
    )
    rows = [talk("q", "BAD"), talk("q", "bad"), talk("q", "good")]
    monkeypatch.delenv("WORKBENCH_ALLOW_PYTHON", raising=False)
    assert STEPS.get("custom_python").unavailable() and faults(home, "custom_python", file="mine.py") == ["file"]
    with pytest.raises(UserError, match="may not run"):
        apply(home, "custom_python", rows, file="mine.py")
    monkeypatch.setenv("WORKBENCH_ALLOW_PYTHON", "1")
    outcome = apply(home, "custom_python", rows, file="mine.py")
    assert outcome.removed[1].reason == "It is bad." and list(outcome.changed) == [2]
    for name in ("../mine.py", "/etc/passwd", "none.py", ""):
        assert faults(home, "custom_python", file=name) == ["file"]


@pytest.mark.parametrize(
    "code",
    [
        "def step(row): return row['none']",
        "def step(row): return 7",
        "x = 1",
        "def step(",
        "1/0\ndef step(row): return row",
    ],
)
def test_faults_of_ones_own_python_are_told(home: Home, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setenv("WORKBENCH_ALLOW_PYTHON", "1")
    (home.root / "steps").mkdir()
    (home.root / "steps" / "mine.py").write_text(code)
    with pytest.raises(UserError, match=r"mine\.py"):
        apply(home, "custom_python", conversations(2), file="mine.py")


def test_semantic_duplicates_are_flagged_for_the_nearest_earlier_row(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"open it": [1, 0], "unlock it": [0.95, 0.31], "paint it": [0, 1], "open up": [1, 0.05]}
    monkeypatch.setattr(embedding, "embedding_unavailable", lambda: "")
    monkeypatch.setattr(
        embedding, "load_embedding", lambda: lambda texts: np.array([known[text] for text in texts], np.float32) / 1.0
    )
    outcome = apply(home, "semantic_duplicates", [talk(text, "Done.") for text in known], threshold=0.9)
    assert list(outcome.flagged) == [1, 3] and not outcome.removed
    assert "row 1: cosine similarity 0.95" in outcome.flagged[1].reason and "row 1" in outcome.flagged[3].reason


def test_a_sentence_model_is_looked_for_where_the_operator_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(embedding.FOLDER, raising=False)
    assert "WORKBENCH_EMBEDDER" in embedding.embedding_unavailable() and embedding.model_digest() == ""
    monkeypatch.setenv(embedding.FOLDER, str(tmp_path))
    assert "lacks tokenizer.json and config.json" in embedding.embedding_unavailable()
    with pytest.raises(UserError, match="no sentence model"):
        embedding.load_embedding()


def test_vectors_are_means_under_the_mask() -> None:
    states = np.array([[[3.0, 4.0], [9.0, 9.0]], [[1.0, 0.0], [0.0, 1.0]]], np.float32)
    vectors = embedding.pooled(states, np.array([[1, 0], [1, 1]]))
    assert np.allclose(vectors, [[0.6, 0.8], [0.5**0.5, 0.5**0.5]])


def test_a_model_in_a_folder_embeds_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import BertConfig, BertModel

    toy_tokenizer(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=400, **sizes)).save_pretrained(tmp_path)
    monkeypatch.setenv(embedding.FOLDER, str(tmp_path))
    assert embedding.embedding_unavailable() == "" and embedding.model_digest()
    embed = embedding.load_embedding()
    together, alone = embed(["a short one", "one that is a good deal longer"]), embed(["a short one"])
    assert together.shape == (2, 8) and np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together[0], alone[0], atol=1e-5)
