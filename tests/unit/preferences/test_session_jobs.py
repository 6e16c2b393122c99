"""The jobs that make sessions and add to them, on a toy model: settings, checks, imported answers, extensions."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import carry, wrong_with
from tests.toys import toy_home, toy_model
from tests.voting import by, close
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.data.store.datasets import write_rows
from workbench.jobs.job import JOBS
from workbench.preferences.answer_counts import count_answers
from workbench.preferences.check_files import read_checks
from workbench.preferences.guideline_versions import list_guidelines
from workbench.preferences.imported_answers import answers_of_pairs, read_answers
from workbench.preferences.sessions import get_session
from workbench.preferences.votes import next_item, vote

GOLD = '{"prompt": "2+2?", "better": "4", "worse": "5", "explanation": "Four."}'
TRAINING = '{"messages": [{"role": "user", "content": "hi"}], "better": "Hello!", "worse": "No.", "kind": "training"}'
SHORT = {"max_new_tokens": 4, "temperature": 1.0}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = toy_home(tmp_path_factory.mktemp("home"))
    for name in ("other", "third"):
        toy_model(home, name)
    asked = [{"prompt": [{"role": "user", "content": f"question {place}"}]} for place in range(8)]
    write_rows(home, "asked", "prompts", asked)
    return home


def session_of(home: Home, name: str, **settings: Any) -> None:
    data = {"session": name, "models": ["toy"], "samples": 2, "prompts": "asked", "limit": 3, "decoding": SHORT}
    carry(home, JOBS.parse({"method": "generate", **data, **settings}))


def test_a_generated_session_has_its_settings_and_checks(home: Home) -> None:
    labelling = {"guidelines": "Be kind.", "graded": True, "aspects": ["tone"], "attention_checks": 2, "draft": True}
    session_of(home, "made", labelling=labelling, checks=f"{GOLD}\n\n{TRAINING}\n")
    info = get_session(home, "made")
    assert (info.state, info.settings.graded, info.settings.aspects) == ("draft", True, ["tone"])
    assert [each.text for each in list_guidelines(home, "made")] == ["Be kind."]
    assert (info.prompts, info.complete) == (3, True)
    assert "checks" not in info.made_by
    counts = count_answers(home, "made")
    assert counts.answers == 6 and counts.cut_off + counts.failed <= 6


def test_prompts_and_models_are_added_with_the_sampling_the_session_was_made_by(home: Home) -> None:
    session_of(home, "grows", samples=1, models=["toy", "other"])
    extend = {"method": "extend-session", "session": "grows"}
    assert "Say how many prompts" in wrong_with(home, JOBS.parse(extend))
    assert "answers in this session already" in wrong_with(home, JOBS.parse({**extend, "models": ["toy"]}))
    carry(home, JOBS.parse({**extend, "limit": 2}))
    info = get_session(home, "grows")
    assert (info.prompts, info.pairs, info.complete) == (5, 5, True)
    carry(home, JOBS.parse({**extend, "models": ["third"], "limit": 2}))
    info = get_session(home, "grows")
    assert (info.models, info.prompts, info.pairs) == (["toy", "other", "third"], 7, 21)
    carry(home, JOBS.parse({**extend, "limit": 5}))
    assert get_session(home, "grows").prompts == 8  # as many as there are
    assert "no prompt that the session lacks" in wrong_with(home, JOBS.parse({**extend, "limit": 1}))
    close(home, "grows")
    assert "was closed" in wrong_with(home, JOBS.parse({**extend, "limit": 1}))


def test_answers_of_lines_are_judged(home: Home) -> None:
    lines = [
        {"prompt": "hi", "answers": {"mine": "Hello!", "theirs": {"text": "Hel", "finish": "length"}}},
        {"messages": [{"role": "user", "content": "bye"}], "answers": {"theirs": "Bye!", "mine": "I am ChatGPT."}},
    ]
    text = "\n".join(map(json.dumps, lines))
    carry(home, JOBS.parse({"method": "import-answers", "session": "brought", "answers": text}))
    info = get_session(home, "brought")
    assert (info.models, info.usable, info.complete) == (["mine", "theirs"], 2, True)
    counts = count_answers(home, "brought")
    assert (counts.answers, counts.cut_off, counts.naming, counts.prompts_naming) == (4, 1, 1, 1)
    extend = {"method": "extend-session", "session": "brought"}
    assert "were imported" in wrong_with(home, JOBS.parse({**extend, "limit": 1}))
    carry(home, JOBS.parse({**extend, "models": ["toy"], "decoding": SHORT}))
    assert get_session(home, "brought").pairs == 6


def test_the_pairs_of_a_dataset_are_judged_again(home: Home) -> None:
    carry(home, JOBS.parse({"method": "import-answers", "session": "again", "dataset": "pairs", "limit": 3}))
    info = get_session(home, "again")
    assert (info.models, info.prompts, info.prompts_name) == (["chosen", "rejected"], 3, "pairs")
    item = next_item(home, "again", by("ann"))
    assert item
    vote(home, "again", by("ann"), item.token, "left", "key", 1.0)


def test_a_file_of_answers_is_read(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"prompt": "hi", "answers": ["Hello!", "Hi."]}\n')
    job = {"method": "import-answers", "session": "filed", "files": [str(file)]}
    carry(home, JOBS.parse(job))
    assert get_session(home, "filed").models == ["answer 1", "answer 2"]
    assert "no file" in wrong_with(home, JOBS.parse({**job, "session": "gone", "files": [str(tmp_path / "gone")]}))


def test_wrong_settings_of_a_new_session_are_named_together(home: Home) -> None:
    labelling = {"ranking": True, "deadline": "2020-01-01"}
    job = {"method": "import-answers", "session": "odd", "answers": '{"prompt": "a", "answers": ["b", "c"]}'}
    wrong = wrong_with(home, JOBS.parse({**job, "labelling": labelling, "checks": '{"prompt": "a"}'}))
    for words in ("needs three answers", "has passed already", "better"):
        assert words in wrong
    assert "Leave all but one empty" in wrong_with(home, JOBS.parse({**job, "dataset": "pairs"}))


def test_lines_that_are_wrong_are_named_by_their_number() -> None:
    assert [(check.kind, check.explanation) for check in read_checks(f"{GOLD}\n{TRAINING}")] == [
        ("gold", "Four."), ("training", ""),
    ]  # fmt: skip
    with pytest.raises(SpecError) as wrong:
        read_checks('{"better": "x", "worse": "x"}\n{"prompt": "p", "better": "a", "worse": "b", "kind": "silver"}')
    assert {problem.field for problem in wrong.value.problems} == {
        "checks.line 1", "checks.line 1.prompt", "checks.line 2.kind",
    }  # fmt: skip
    with pytest.raises(UserError, match="line 2 is not JSON"):
        read_checks(f"{GOLD}\nno")
    with pytest.raises(SpecError, match=r"line 2.answers: are of a, c\. Name them as before: a, b"):
        read_answers(
            '{"prompt": "p", "answers": {"a": "1", "b": "2"}}\n{"prompt": "q", "answers": {"a": "1", "c": "2"}}',
            limit=10,
        )


def test_what_of_imported_answers_is_not_taken_is_said(home: Home) -> None:
    line = '{"prompt": "p", "answers": ["1", "2"], "id": 7, "system": "Be kind."}'
    read = read_answers("\n".join([line, line, line]), limit=2)
    assert len(read.prompts) == 2
    assert read.left_out == (
        "Not read: the fields id, system.", "Not taken: 1 prompts after the first 2.",
    )  # fmt: skip
    turn = {"role": "assistant", "content": "a"}
    asked = [{"role": "user", "content": "q"}]
    rows = [
        {"prompt": asked, "chosen": [turn], "rejected": [turn | {"content": "b"}]},
        {"prompt": asked, "chosen": [turn, *asked, turn], "rejected": [turn]},
    ]
    write_rows(home, "mixed", "preference", rows, [], made_by={})
    pairs = answers_of_pairs(home, "mixed", 10)
    assert [each.answers["chosen"].text for each in pairs.prompts] == ["a"]
    assert pairs.left_out == ("Left out: 1 rows without a prompt, or whose answers are several turns.",)
