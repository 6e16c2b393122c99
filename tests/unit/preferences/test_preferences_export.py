"""From votes to a DPO dataset, the automatic voter, and the report."""

import json
import uuid

import pytest

from tests.voting import by, close
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.preferences import store
from workbench.preferences.export import (
    export_dataset,
    length_ratio,
    preference_pairs,
    session_digest,
)
from workbench.preferences.judges import FIELD_GUIDE, FIELD_GUIDE_STATEMENT, field_guide_rule, vote_by_rule
from workbench.preferences.sessions import Answer, add_answers, create_session, get_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.summary import report
from workbench.preferences.votes import next_item, undo_latest, vote

GUIDE = """**In short:** Moss is a small plant that drinks through its leaves.

- It has no roots, only tiny anchors.
- It dries out for months and wakes with rain.
- It grows on the shady side of stones and trees.

**Try it:** Pour water on a dry cushion and watch it turn green."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    return Home.at(tmp_path)


def ask(i):
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"question {i}"}]


def make_round(home, answers, votes_per_pair=1, models=("base", "tuned")):
    """One prompt an entry of `answers`: a tuple of texts or Answers, one a model."""
    create_session(home, "round", models, "questions", {"temperature": 0.7}, votes_per_pair)
    for i, texts in enumerate(answers):
        full = [text if isinstance(text, Answer) else Answer(text, "eos", 3) for text in texts]
        add_answers(home, "round", i, ask(i), dict(zip(models, full, strict=True)))


def give_all(home, who, choose):
    """Votes on all this annotator's pairs; `choose(prompt number, left, right)` gives a side or word."""
    while item := next_item(home, "round", by(who)):
        number = int(item.prompt[-1]["content"].split()[-1])
        choice = choose(number, item.left, item.right)
        vote(home, "round", by(who), item.token, choice, uuid.uuid4().hex, 1.0)


def prefer(text_start):
    return lambda number, left, right: "left" if left.startswith(text_start) else "right"


def test_rows_carry_the_prompt_and_both_answers_as_messages(home):
    make_round(home, [("plain 0", "good 0"), ("plain 1", "good 1")])
    give_all(home, "ann", prefer("good"))
    close(home, "round")
    assert preference_pairs(home, "round") == [
        {
            "prompt": ask(i),
            "chosen": [{"role": "assistant", "content": f"good {i}"}],
            "rejected": [{"role": "assistant", "content": f"plain {i}"}],
        }
        for i in range(2)
    ]


def test_what_must_not_be_trained_on_is_left_out_and_counted(home):
    cut = Answer("good but cut o", "length", 64)
    answers = [("plain", "good")] * 7 + [("plain", cut), (Answer("plain cut", "length", 64), "good")]
    answers += [("same", " same "), ("plain", ""), (Answer("boom", "error", 0), "good")]
    make_round(home, answers)
    words = {1: "tie", 2: "both_bad", 3: "skip"}

    def choose(number, left, right):
        return words.get(number) or prefer("good")(number, left, right)

    while item := next_item(home, "round", by("ann")):
        number = int(item.prompt[-1]["content"].split()[-1])
        vote(home, "round", by("ann"), item.token, choose(number, item.left, item.right), uuid.uuid4().hex, 1.0)
        if number == 6:
            again = undo_latest(home, "round", by("ann"), "u")
            vote(home, "round", by("ann"), again.token, "skip", "after undo", 1.0)
    close(home, "round")
    rows = preference_pairs(home, "round")
    assert [int(row["prompt"][-1]["content"].split()[-1]) for row in rows] == [0, 4, 5, 8]
    assert all(row["chosen"][0]["content"] == "good" for row in rows)
    info = export_dataset(home, "round", "pairs", eval_fraction=0).info
    expected = {"both_bad": 1, "identical": 1, "tie": 1, "truncated": 1, "unusable": 2, "unvoted": 2}
    assert info["left_out"] == expected
    assert sum(info["left_out"].values()) + info["exported"] == info["pairs"] == 12
    assert set(info["left_out_because"]) == set(info["left_out"])


@pytest.mark.parametrize(
    ("choices", "result"),
    [
        (("good", "good", "plain"), "good"),
        (("good", "good", "tie"), "good"),
        (("good", "plain", "tie"), None),
        (("good", "tie", "tie"), None),
    ],
)
def test_only_a_majority_decides(home, choices, result):
    make_round(home, [("plain", "good")], votes_per_pair=3)
    for who, choice in zip("xyz", choices, strict=True):
        give_all(home, who, (lambda *_: "tie") if choice == "tie" else prefer(choice))
    close(home, "round")
    assert [row["chosen"][0]["content"] for row in preference_pairs(home, "round")] == ([result] if result else [])


def test_one_against_one_is_dropped_as_conflicting(home):
    make_round(home, [("plain", "good"), ("plain", "good")], votes_per_pair=2)
    give_all(home, "ann", prefer("good"))
    give_all(home, "bob", lambda n, left, right: prefer("good" if n else "plain")(n, left, right))
    close(home, "round")
    assert export_dataset(home, "round", "pairs").info["left_out"] == {"conflicting": 1}


def test_the_dataset_is_split_by_prompt_and_names_its_parents(home):
    make_round(home, [(f"plain {i}", f"good {i}", f"best {i}") for i in range(20)], models=("a", "b", "gone/model"))
    create_session(home, "other", ["a", "b"], "questions", {})
    give_all(home, "ann", lambda n, left, right: "left" if left < right else "right")
    close(home, "round")
    manifest = export_dataset(home, "round", "pairs", eval_fraction=0.25, seed=3)
    train, held_out = datasets.all_rows(home, "pairs"), datasets.all_rows(home, "pairs", "eval")
    prompts = [{json.dumps(row["prompt"]) for row in rows} for rows in (train, held_out)]
    assert (len(train), len(held_out)) == (45, 15)
    assert (len(prompts[0]), len(prompts[1]), prompts[0] & prompts[1]) == (15, 5, set())
    assert datasets.dataset_kind(home, "pairs") == "preference"
    assert [(p.kind, p.name, p.role) for p in manifest.parents] == [
        ("labels", "round", "labels"),
        ("model", "a", "compared"),
        ("model", "b", "compared"),
        ("model", "gone/model", "compared"),
    ]
    assert manifest.parents[0].digest == session_digest(home, "round")
    again = export_dataset(home, "round", "again", eval_fraction=0.25, seed=3)
    assert again.digest == manifest.digest
    assert export_dataset(home, "round", "other", eval_fraction=0.25, seed=4).digest != manifest.digest


def test_equal_prompts_at_two_places_stay_on_one_side(home):
    create_session(home, "round", ["base", "tuned"], "questions", {})
    for i in range(12):
        texts = {"base": Answer(f"plain {i}", "eos", 1), "tuned": Answer(f"good {i}", "eos", 1)}
        add_answers(home, "round", i, ask(i % 3), texts)
    give_all(home, "ann", prefer("good"))
    close(home, "round")
    for seed in range(4):
        export_dataset(home, "round", f"pairs-{seed}", eval_fraction=0.34, seed=seed)
        assert len(datasets.all_rows(home, f"pairs-{seed}")) == 8
        assert len(datasets.all_rows(home, f"pairs-{seed}", "eval")) == 4


def test_the_digest_follows_votes_that_stand_and_nothing_else(home):
    make_round(home, [("plain", "good")] * 2)
    before = session_digest(home, "round")
    next_item(home, "round", by("ann"))
    assert session_digest(home, "round") == before
    item = next_item(home, "round", by("ann"))
    vote(home, "round", by("ann"), item.token, "left", "k", 1.0)
    assert session_digest(home, "round") != before
    undo_latest(home, "round", by("ann"), "u")
    assert session_digest(home, "round") == before


def test_longer_chosen_answers_are_warned_about(home):
    make_round(home, [(f"plain {i}", f"good {i} " + "and much longer " * 3) for i in range(6)])
    give_all(home, "ann", prefer("good"))
    close(home, "round")
    info = export_dataset(home, "round", "pairs").info
    assert info["length_ratio"] > 1.2 and "times as long" in info["warnings"][0]


def test_the_length_ratio_of_mixed_lengths_is_one():
    sides = [("x" * 10, "x" * 40), ("x" * 40, "x" * 10)]
    assert length_ratio(
        [{"prompt": [], "chosen": [{"content": a}], "rejected": [{"content": b}]} for a, b in sides]
    ) == pytest.approx(1.0)


def test_where_every_chosen_answer_was_cut_off_the_export_says_so(home):
    make_round(home, [("plain", Answer("good but cut o", "length", 64))] * 5)
    give_all(home, "ann", prefer("good but cut o"))
    close(home, "round")
    with pytest.raises(UserError, match=r"None of the 5 pairs .* cut off at the length limit \(5\)") as caught:
        export_dataset(home, "round", "pairs")
    assert "limit of new tokens" in caught.value.remedy and not (home.datasets / "pairs").exists()


def test_where_nothing_but_ties_was_voted_the_export_says_so(home):
    make_round(home, [("plain", "good")] * 3)
    give_all(home, "ann", lambda *_: "tie")
    close(home, "round")
    with pytest.raises(UserError, match=r"None of the 3 pairs .*\(3\)\. Vote for a left or right"):
        export_dataset(home, "round", "pairs")


def test_exporting_nothing_or_wrongly_is_refused(home):
    make_round(home, [("plain", "good")])
    create_session(home, "empty", ["base", "tuned"], "questions", {})
    close(home, "empty")
    with pytest.raises(UserError, match="No pair of this session is decided"):
        export_dataset(home, "empty", "pairs")
    give_all(home, "ann", prefer("good"))
    close(home, "round")
    for field, name, fraction in [("eval_fraction", "pairs", 1.0), ("name", "../pairs", 0.1)]:
        with pytest.raises(UserError) as caught:
            export_dataset(home, "round", name, fraction)
        assert caught.value.field == field
    export_dataset(home, "round", "pairs")
    assert datasets.count(home, "pairs") == 1
    with pytest.raises(UserError, match="exists already"):
        export_dataset(home, "round", "pairs")


@pytest.mark.parametrize(
    ("text", "points"),
    [
        (GUIDE, 4.0),
        ("", 0.0),
        ("Moss is a plant.", 0.0),
        (" ".join(["word"] * 24), 0.0),
        (" ".join(["word"] * 25), 0.5),
        (" ".join(["word"] * 110), 0.5),
        (" ".join(["word"] * 111), 0.0),
        ("**In short:** Moss drinks.", 1.0),
        ("**In short:**\n", 0.0),
        ("Well. **In short:** Moss drinks.", 0.0),
        ("**Try it:** Look closer.", 1.0),
        ("**Try it:** Look closer.\nMore.", 0.0),
        ("- one\n- two", 1.0),
        ("- one\n- two\n- three", 1.5),
        ("- one\n- two\n- three\n- four", 1.0),
        ("- one\n- two\n- three\n- four\n- five", 0.5),
        ("- one\n- One\n- three", 1.0),
        ("- one\n- two\n- !", 0.0),
        ("- one", 0.0),
        (GUIDE.replace("**Try it:**", "Try it:"), 3.0),
        (GUIDE.replace("- It dries out for months and wakes with rain.\n", ""), 3.5),
    ],
)
def test_field_guide_points(text, points):
    assert field_guide_rule(text) == points


def test_the_rule_votes_blind_for_the_field_guide_manner(home):
    make_round(home, [("Moss is a plant.", GUIDE), (GUIDE, "Moss is a plant."), ("Moss.", "Moss is a plant.")])
    assert vote_by_rule(home, "round", FIELD_GUIDE) == 3
    assert vote_by_rule(home, "round", FIELD_GUIDE) == 0
    votes = sorted(effective_votes(home, "round"), key=lambda vote: vote.prompt_index)
    assert [vote.outcome for vote in votes] == [0.0, 1.0, 0.5]
    assert {vote.annotator for vote in votes} == {"rule:field-guide"}
    assert FIELD_GUIDE.statement == FIELD_GUIDE_STATEMENT and "**In short:**" in FIELD_GUIDE_STATEMENT


def test_the_report_of_an_empty_round_is_json_and_says_what_is_missing(home):
    make_round(home, [("plain", "good")])
    close(home, "round")
    shown = json.loads(json.dumps(report(home, "round"), allow_nan=False))
    assert shown["win_rates"][0]["n"] == 0 and shown["ratings"]["rows"] == []
    assert shown["sentences"] == [
        "Not enough votes yet: about 194 more needed to tell a 60 % win rate from chance "
        "(base against tuned, 0 votes so far)."
    ]


def test_the_report_of_a_decided_round(home):
    make_round(home, [(f"plain {i}", f"good {i}") for i in range(30)] + [("same", "same")], votes_per_pair=2)
    give_all(home, "ann", lambda n, left, right: "both_bad" if n < 8 else prefer("good")(n, left, right))
    give_all(home, "bob", lambda n, left, right: "both_bad" if n < 8 else prefer("good")(n, left, right))
    close(home, "round")
    shown = json.loads(json.dumps(report(home, "round"), allow_nan=False))
    assert shown["counts"] == {
        "prompts": 31,
        "pairs": 31,
        "usable": 30,
        "identical": 1,
        "unusable": 0,
        "votes": 60,
        "unblinded": 0,
        "wanted": 60,
        "annotators": 2,
        "decided": 44,
        "ties": 0,
        "both_bad": 16,
    }
    assert shown["win_rates"][0]["losses"] == 44 and shown["win_rates"][0]["rate"] == pytest.approx(8 / 60)
    assert [row["model"] for row in shown["ratings"]["rows"]] == ["tuned", "base"]
    assert shown["agreement"] == {"overlaps": 30, "raw": 1.0, "alpha": 1.0, "reason": "", "low": 1.0, "high": 1.0}
    assert [row["name"] for row in shown["annotators"]] == ["ann", "bob"]
    assert shown["sentences"][0].startswith("tuned beats base: 87 % of 60 votes (95 % interval")
    assert any("Both answers were called bad in 16 of 60 votes" in text for text in shown["sentences"])
    assert any("1 pair with identical answers" in text for text in shown["sentences"])
    assert get_session(home, "round").identical == 1


def test_needing_more_votes_counts_what_the_votes_are_worth(home):
    make_round(home, [(f"plain {i}", f"good {i}") for i in range(40)])
    give_all(home, "ann", lambda n, left, right: prefer("good" if n % 2 else "plain")(n, left, right))
    close(home, "round")
    row = report(home, "round")["win_rates"][0]
    assert (row["n"], row["more_needed"]) == (40, 154)
    assert "about 154 more needed" in row["sentence"]
