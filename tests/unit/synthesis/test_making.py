"""The parts of making rows: templates, novelty, filters, scores, the log, and what is read out of replies."""

import datetime
import email.utils
import json
import math
from pathlib import Path

import pytest

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store.datasets import write_rows
from workbench.inference.decoding import Decoding
from workbench.synthesis import filters
from workbench.synthesis.generation_log import MakingLog
from workbench.synthesis.generators.evol_instruct import finds_equal
from workbench.synthesis.generators.self_instruct import tasks_in
from workbench.synthesis.judging import expected_score, written_score
from workbench.synthesis.novelty import Novelty, words
from workbench.synthesis.prompts import FOLDER, Prompt, check_prompt, get_prompt
from workbench.synthesis.replies import Reply, Request, seed_of
from workbench.synthesis.retrying import back_off, retry_after
from workbench.synthesis.seeds import seeds_of

ASK = [{"role": "user", "content": "Why?"}]


def rouge_l(one: list[str], two: list[str]) -> float:
    """ROUGE-L's F-measure by the textbook table of the longest common subsequence."""
    table = [[0] * (len(two) + 1) for _ in range(len(one) + 1)]
    for i, left in enumerate(one):
        for j, right in enumerate(two):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    common = table[-1][-1]
    precision, recall = common / len(two), common / len(one)
    return 2 * precision * recall / (precision + recall) if common else 0.0


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.jinja")), ids=lambda path: path.stem)
def test_every_template_is_sound(path: Path) -> None:
    assert get_prompt(path.stem).text == path.read_text("utf-8")


def test_a_template_gets_its_values_and_cannot_be_written_to_by_them() -> None:
    text = get_prompt("self_instruct").render(examples=["Name {{ 7 * 7 }} birds.", "Sing."], wanted=3)
    assert "Task 1: Name {{ 7 * 7 }} birds.\nTask 2: Sing.\n" in text
    assert "Write 3 more tasks" in text and "Task 3" in text
    assert get_prompt("answer").render(prompt="Why?") == "Why?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ promt }}", "'promt'"),
        ("{% for %}", "no Jinja"),
        ("Say something.", "does not use 'prompt'"),
        ("{{ prompt }}" + "x" * 20_000, "longer than 20,000"),
        ("{" * 5 + "(" * 5000 + "{{ prompt }}", "no Jinja"),
    ],
)
def test_a_text_of_ones_own_is_checked_first(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        get_prompt("answer", text)


def test_checking_a_template_computes_nothing_of_it() -> None:
    check_prompt("answer", "{{ prompt }}{{ 'a' * 10 ** 12 }}{{ 9 ** 9 ** 9 ** 9 }}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ prompt }}{{ 'a' * 10 ** 9 }}", "memory|longer"),
        ("{{ prompt }}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "2 seconds"),
        ("{{ prompt }}{{ 'a' * 300000 }}", "200,000"),
        ("{{ prompt.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        ("{% if not prompt %}a{% endif %}", "nothing"),
    ],
)
def test_a_hostile_template_is_stopped(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        Prompt("answer", text).render(prompt="Why?")


def test_provenance_tells_an_own_text_from_a_built_in_one() -> None:
    own = get_prompt("judge", "Rate {{ prompt }}.")
    assert own.provenance() == {"template": "own judge", "digest": own.digest}
    assert get_prompt("judge").provenance()["template"] == "judge"
    assert len(own.digest) == 16 and own.digest != get_prompt("judge").digest


def test_novelty_is_rouge_l() -> None:
    known = "Write a short poem about the red apple on the table."
    texts = ["Write a short poem about the green apple on the chair.", "Name three rivers.", known.upper() + "!!"]
    for text in texts:
        exact = rouge_l(words(text), words(known))
        novelty = Novelty(max(exact, 0.01))
        novelty.add("a", known)
        found = novelty.nearest(text)
        assert (found[1] if found else 0) == pytest.approx(exact)
    assert rouge_l(words(texts[0]), words(known)) == pytest.approx(2 * 9 / 22)


def test_novelty_passes_over_ancestors_and_forgets() -> None:
    novelty = Novelty(0.7)
    novelty.add("seed", "Tell me of the small wren in winter")
    novelty.add("other", "Tell me of the small wren in summer")
    text = "Tell me of the small wren in winter now"
    assert novelty.nearest(text) and novelty.nearest(text)[0] == "seed"  # type: ignore[index]
    assert novelty.nearest(text, ["seed"])[0] == "other"  # type: ignore[index]
    novelty.forget("other")
    assert novelty.nearest(text, ["seed"]) is None
    assert novelty.same("tell me of the small wren in winter?", "seed") and not novelty.same(text, "seed")


def test_words_of_scripts_without_spaces_are_their_signs() -> None:
    assert words("为什么天是蓝的？ It's blue!") == [*"为什么天是蓝的", "it", "s", "blue"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("I'm sorry, but I can't do that.", True),
        ("I cannot help with this.", True),
        ("As an AI language model, I have no taste.", True),
        ("“I’m unable to answer.”", True),
        ("Sorry is a word of regret, spelt s-o-r-r-y.", False),
        ("I can help. Sorry for the delay!", False),
        ("Cannot is one word.", False),
    ],
)
def test_refusals(text: str, is_one: bool) -> None:
    assert filters.refuses(text) is is_one


def test_the_rules_of_evol_instruct() -> None:
    assert filters.short_apology("I am sorry, no.") and not filters.short_apology("sorry " + "word " * 80)
    assert filters.only_stop_words("It is, and that was the … of it!") and not filters.only_stop_words("It is blue.")
    assert filters.only_punctuation("?! …") and not filters.only_punctuation("是")
    assert filters.copied_words("#Rewritten Prompt#: name a bird") == "rewritten prompt"
    assert filters.one_of("Draw a bird.", "map, draw") == "draw" and not filters.one_of("A drawer.", "map, draw")
    assert (
        finds_equal("Equal.") and not finds_equal("Not Equal") and not finds_equal("Unequal") and not finds_equal("?")
    )


def test_tasks_are_read_out_of_lists() -> None:
    listed = "Name a river.\n\nTask 10: Explain rain\nin two lines.\n**Task 11:** Write a letter.\n12) Count to 5.\n"
    tasks = ["Name a river.", "Explain rain\nin two lines.", "Write a letter.", "Count to 5."]
    assert tasks_in(listed) == tasks
    assert tasks_in(listed, cut_off=True) == tasks[:-1]
    assert tasks_in("Here are the tasks:\n1. Sing a song\n2. Dance 3.5 times") == ["Sing a song", "Dance 3.5 times"]
    assert tasks_in("") == [] and tasks_in("1.\n2.\n") == []


def test_scores() -> None:
    assert expected_score({1: 0.1, 5: 0.3}) == pytest.approx((0.1 + 1.5) / 0.4)
    assert expected_score({4: 0.01}) is None and expected_score({}) is None and expected_score({3: math.nan}) is None
    texts = {
        "4": 4,
        "Score: 4/5": 4,
        "4.5": 4.5,
        "10": None,
        "I give it 3 out of 5.": 3,
        "": None,
        "0": None,
        "5.9": None,
    }
    assert {text: written_score(text) for text in texts} == texts


def test_waiting_grows_to_a_minute_with_jitter() -> None:
    for tries, longest in ((1, 1), (2, 2), (3, 4), (6, 32), (9, 60)):
        found = {back_off(tries) for _ in range(50)}
        assert longest / 2 <= min(found) and max(found) <= longest and len(found) > 1


def test_retry_after_is_a_number_or_a_date() -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    assert retry_after("2.5") == 2.5 and retry_after("-1") == 0
    assert 25 < retry_after(email.utils.format_datetime(soon, usegmt=True)) <= 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("soon") == 0 and retry_after(None) == 0 and retry_after("nan") == 0


def asked(key: str, seed: int = 0) -> Request:
    return Request(key, ASK, Decoding(seed=seed), seeds=(3,))


def test_the_log_gives_back_what_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "generated.jsonl"
    log = MakingLog(path)
    log.begin(parents={"a": "1"})
    reply = Reply("Because né 🙂.", "eos", 4, sampling={"seed": 0})
    log.add([(asked("a/1"), reply), (asked("a/2"), Reply(failure="empty reply"))], "toy")
    log.decide("1", "kept", score=None)
    again = MakingLog(path)
    assert again.start == {"parents": {"a": "1"}}
    assert again.reply_to(asked("a/1"), "toy") == reply
    assert again.reply_to(asked("a/2"), "toy") == Reply(failure="empty reply")
    assert again.reply_to(asked("a/1"), "other") is None and again.reply_to(asked("a/1", seed=1), "toy") is None
    again.decide("1", "kept", score=None)
    again.decide("1", "dropped", score=None)
    types = [json.loads(line)["type"] for line in path.read_text("utf-8").splitlines()]
    assert types == ["start", "reply", "reply", "verdict", "verdict"]


def test_a_torn_last_line_is_passed_over_wherever_it_is_torn(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    log = MakingLog(whole)
    log.begin(parents={})
    for number in range(2):
        log.add([(asked(f"a/{number}"), Reply("né", "eos", 1))], "toy")
    content = whole.read_bytes()
    second = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(second + 1, len(content)):
        path = tmp_path / "torn.jsonl"
        path.write_bytes(content[:cut])
        torn = MakingLog(path)
        assert torn.reply_to(asked("a/0"), "toy") and torn.reply_to(asked("a/1"), "toy") is None
        torn.add([(asked("a/1"), Reply("né", "eos", 1))], "toy")
        mended = MakingLog(path)
        assert mended.reply_to(asked("a/0"), "toy") and mended.reply_to(asked("a/1"), "toy")
        path.unlink()


def test_troubles_at_the_end_are_forgotten_and_others_stand(tmp_path: Path) -> None:
    path = tmp_path / "generated.jsonl"
    log, trouble = MakingLog(path), Reply(failure="HTTP 500", trouble=True)
    for key, reply in (("a/1", trouble), ("a/2", Reply("Yes", "eos")), ("a/3", trouble), ("a/4", trouble)):
        log.add([(asked(key), reply)], "toy")
    again = MakingLog(path)
    assert [bool(again.reply_to(asked(f"a/{n}"), "toy")) for n in (1, 2, 3, 4)] == [True, True, False, False]


def test_seeds_are_different_and_lasting() -> None:
    assert seed_of(0, "a/1") == seed_of(0, "a/1")
    assert len({seed_of(seed, f"a/{n}") for seed in range(3) for n in range(100)}) == 300
    assert all(0 <= seed_of(7, str(n)) < 2**31 for n in range(1000))


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def test_seeds_of_every_kind_know_their_rows(own_home: Path) -> None:
    home = Home.at(own_home)
    system = {"role": "system", "content": "Be kind."}
    talks = [
        [system, user("A"), said("a")],
        [user("A"), said("a")],
        [user("A"), said("b")],
        [user("B"), said("c"), user("C"), said("d")],
    ]
    write_rows(home, "talks", "conversation", [{"messages": turns} for turns in talks])
    assert [(s.row, s.text, s.answer, len(s.prompt)) for s in seeds_of(home, "talks", 10)] == [
        (0, "A", "a", 2),
        (1, "A", "a", 1),
        (3, "B", "c", 1),
    ]
    assert [seed.row for seed in seeds_of(home, "talks", 1, skip=1)] == [1]
    pair = {"prompt": [user("Q")], "chosen": [said("good")], "rejected": [said("bad")]}
    write_rows(home, "pairs", "preference", [pair])
    assert [(s.text, s.answer) for s in seeds_of(home, "pairs", 10)] == [("Q", "good")]
    votes = [{"prompt": [user(f"Q{label}")], "completion": [said("so")], "label": label} for label in (True, False)]
    write_rows(home, "votes", "unpaired", votes)
    assert [(s.text, s.answer) for s in seeds_of(home, "votes", 10)] == [("QTrue", "so"), ("QFalse", "")]
    write_rows(home, "text", "text", [{"text": "Once."}])
    for name, skip in (("text", 0), ("talks", 3)):
        with pytest.raises(UserError, match="no prompt"):
            seeds_of(home, name, 10, skip)
