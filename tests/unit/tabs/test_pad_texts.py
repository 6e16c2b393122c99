"""The pad's texts in every language, and what its functions tell of a session: never a model's name."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tabs.label import voting
from tabs.label.pad_texts import FOLDER, explanation, pad_words
from tests.voting import by, close, make_session
from workbench.core.assets import ASSETS, ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences.admission import REFUSALS, VoteRefused
from workbench.preferences.annotator_view import annotator_view, latest_guidelines
from workbench.preferences.labelling_settings import LANGUAGES, LabellingSettings
from workbench.preferences.session_states import move_session
from workbench.preferences.sessions import Answer, add_answers, create_session
from workbench.preferences.standing import Standing
from workbench.preferences.votes import next_item, take_back, vote

SLOT = re.compile(r"\{(\w+)\}")
USED = re.compile(r"""(?:\bwords|\bt)\(\s*["'](\w+)["']""")


def test_every_language_has_every_text_with_its_placeholders() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(LANGUAGES)
    english = pad_words("en")
    for language in LANGUAGES:
        words = pad_words(language)
        assert set(words) == set(english)
        for key, text in words.items():
            assert text.strip() and sorted(SLOT.findall(text)) == sorted(SLOT.findall(english[key])), (language, key)


def test_texts_the_scripts_ask_for_are_there() -> None:
    scripts = "\n".join(path.read_text("utf-8") for path in (ASSETS / "js" / "label").glob("*.js"))
    assert USED.findall(scripts)
    assert set(USED.findall(scripts)) - set(pad_words("en")) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_for_no_pair_has_words(language: str) -> None:
    class Queue:
        def get(self, job: str) -> Any:
            return SimpleNamespace(final=False)

    ctx: Any = SimpleNamespace(home=None, queue=Queue())
    for reason in (*REFUSALS, "closed", "complete", "held", "others", "unusable"):
        for pairs in (1, 7):
            title, text = explanation(ctx, "round", Standing(reason, pairs), pad_words(language))
            assert title and text and "{" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_annotators_are_refused_is_said_in_the_language_of_the_pad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    home, words = Home.at(tmp_path), pad_words(language)
    make_session(home, "round", 2)
    monkeypatch.setattr(voting, "voter_of", lambda ctx, name, request: by(name))
    ctx: Any = SimpleNamespace(home=home, accounts=False)
    query = {"session": "round", "annotator": "ann", "language": language}
    cast = {**query, "token": "no pair's", "choice": "left", "key": "k"}

    def refusal(function: Any, asked: dict[str, Any]) -> str:
        with pytest.raises(UserError) as refused:
            function(ctx, asked, None)
        assert not isinstance(refused.value, VoteRefused)
        return refused.value.message

    assert refusal(voting.cast_vote, cast) == words["refused_gone"]
    assert refusal(voting.undo_vote, {**query, "key": "u"}) == words["refused_no_vote"]
    move_session(home, "round", "pause", by("olga"))
    assert refusal(voting.cast_vote, cast).startswith(f"{words['paused_title']} {words['nothing_saved']}")
    close(home, "round")
    assert refusal(voting.cast_vote, cast) == words["refused_closed"].format(person="the one who closes")


def test_every_refusal_has_words() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "workbench" / "preferences").glob("*.py"))
    reasons = set(re.findall(r'raise VoteRefused\(\s*"(\w+)"', sources))
    assert {"gone", "expired", "closed"} <= reasons
    assert {f"refused_{reason}" for reason in reasons} == {
        word for word in pad_words("en") if word.startswith("refused_")
    }


def test_what_the_pad_is_told_has_what_is_asked_for_and_no_name(tmp_path: Path, monkeypatch: Any) -> None:
    home = Home.at(tmp_path)
    settings = LabellingSettings(guidelines="# Be **kind**", graded=True, aspects=["short"], language="de")
    create_session(home, "round", ["secret-a", "secret-b"], "questions", {}, settings=settings)
    texts = {"secret-a": Answer("One", "eos", 1), "secret-b": Answer("Two", "length", 1)}
    add_answers(home, "round", 0, [{"role": "user", "content": "Well?"}], texts)
    monkeypatch.setattr(voting, "voter_of", lambda ctx, name, request: by(name))

    class Queue:
        def get(self, job: str) -> Any:
            return SimpleNamespace(final=False)

    ctx: Any = SimpleNamespace(home=home, accounts=False, queue=Queue())
    query = {"session": "round", "annotator": "ann"}
    reply = voting.next_pair(ctx, query, None)  # type: ignore[arg-type]
    assert reply["ask"] == {
        "graded": True, "aspects": ["short"], "rationale": "off", "edits": False, "ranking": False, "raw_text": False,
        "language": "de", "guidelines": 1,
    }  # fmt: skip
    assert reply["words"]["tie"] == "Gleich gut" and [one["cut_off"] for one in reply["item"]["answers"]].count(True)
    assert "words" not in voting.next_pair(ctx, {**query, "language": "de"}, None)  # type: ignore[arg-type]
    assert voting.guidelines(ctx, query, None)["text"] == "# Be **kind**"  # type: ignore[arg-type]
    ballot = {"strength": 2, "aspects": {"short": "tie"}, "of_no_ballot": 1}
    cast = {**query, "token": reply["item"]["token"], "choice": "left", "key": "k", "seconds": 3, "ballot": ballot}
    assert voting.cast_vote(ctx, cast, None)["saved"]  # type: ignore[arg-type]
    (mine,) = voting.own_votes_reply(ctx, query, None)["votes"]  # type: ignore[arg-type]
    assert (mine["choice"], mine["strength"], mine["prompt"]) == ("left", 2, "Well?")
    assert voting.own_votes_reply(ctx, {**query, "annotator": "bob"}, None)["votes"] == []  # type: ignore[arg-type]
    assert "secret" not in json.dumps([reply, mine])


def test_own_pace_counts_verdicts_that_stand(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_session(home, "round", 4)
    for number, (choice, seconds) in enumerate([("left", 4.0), ("skip", 50.0), ("tie", 8.0)]):
        item = next_item(home, "round", by("ann"))
        assert item
        vote(home, "round", by("ann"), item.token, choice, f"k{number}", seconds)
    view = annotator_view(home, "round", by("ann"))
    assert (view.pace.judged, view.pace.seconds, view.guidelines) == (2, 6.0, 0)
    take_back(home, "round", by("ann"), "undo")
    assert annotator_view(home, "round", by("ann")).pace.judged == 1
    assert annotator_view(home, "round", by("bob")).pace.judged == 0
    assert latest_guidelines(home, "round").version == 0
