"""Ensembles: how each combines, what the shelf and the jobs make of them."""

import json
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.running import carry
from tests.toys import EXACT, toy_adapter, toy_dataset, wordy_model
from tests.voting import by, close
from workbench.chat.conversation import Pane
from workbench.chat.service import ChatService
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.ensembles.engine import EnsembleEngine
from workbench.ensembles.methods import _features
from workbench.ensembles.methods._likelihood import mean_logprob
from workbench.ensembles.methods.pipeline import Pipeline, fill
from workbench.ensembles.methods.stacking import Stacking
from workbench.ensembles.methods.vote import Vote, final_answer
from workbench.ensembles.shelf import create_ensemble, read_ensemble
from workbench.inference import engine as engine_module
from workbench.inference.decoding import Decoding
from workbench.jobs.job import STOP_FILE, JobContext, JobStopped
from workbench.jobs.queue import Queue
from workbench.models.shelf import delete_model
from workbench.preferences import sessions, stacking_fit, votes
from workbench.preferences.jobs.fit_stacking import FitStacking
from workbench.preferences.jobs.generate import Generate
from workbench.preferences.standing_votes import StandingVote

pytestmark = pytest.mark.usefixtures("one_thread")
ASKED = [{"role": "user", "content": "Tell me of the red apple."}]
GREEDY = Decoding(greedy=True, max_new_tokens=16)
WARM = Decoding(temperature=1.5, max_new_tokens=12, seed=3)
PAIR = ["toy", "other"]


def foreign(home: Home) -> None:
    """A copy of the toy whose tokenizer swaps two tokens."""
    shutil.copytree(home.models / "toy", home.models / "foreign")
    path = home.models / "foreign" / "tokenizer.json"
    data = json.loads(path.read_text())
    vocab = data["model"]["vocab"]
    one, two = sorted(vocab, key=vocab.get)[-2:]
    vocab[one], vocab[two] = vocab[two], vocab[one]
    path.write_text(json.dumps(data))


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.at(tmp_path_factory.mktemp("ensembles"))
    wordy_model(home, "toy", 0)
    wordy_model(home, "other", 1)
    shutil.copytree(home.models / "toy", home.models / "twin")
    toy_adapter(home, "a", 1)
    toy_adapter(home, "b", 2)
    foreign(home)
    toy_dataset(home)
    return home.root


@pytest.fixture
def home(toys: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    shutil.copytree(toys, own_home)
    return Home.at(own_home)


def loaded(home: Home, *names: str) -> EnsembleEngine:
    engine = EnsembleEngine(home)
    list(engine.load(names))
    return engine


def say(engine: EnsembleEngine, name: str, decoding: Decoding = GREEDY, messages: Any = ASKED) -> str:
    stream = engine.answering(name).open(messages, decoding)
    while not stream.finish:
        stream.advance()
    return stream.text


def ensemble(home: Home, method: str, members: Sequence[str] = PAIR, **settings: Any) -> EnsembleEngine:
    """An engine with an ensemble 'e' and its members loaded."""
    create_ensemble(home, "e", {"method": method, **settings}, members)
    return loaded(home, "e")


def by_hand(engine: EnsembleEngine, members: Sequence[str], tokens: int) -> list[int]:
    """Greedy tokens of the mean of the probabilities, every step computed from the beginning."""
    made: list[int] = []
    for _ in range(tokens):
        heard = []
        for member in members:
            model, prompt = engine.model(member).torch_model(), engine.model(member).prompt_ids(ASKED)
            heard.append(model(input_ids=torch.tensor([prompt + made])).logits[0, -1].double().softmax(-1))
        made.append(int(torch.stack(heard).mean(0).argmax()))
    return made


# ---- token by token ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [1.0, 1.6])
def test_the_average_of_a_model_with_itself_is_that_model(penalty: float, home: Home) -> None:
    decoding = GREEDY.model_copy(update={"repetition_penalty": penalty})
    engine = ensemble(home, "average", ["toy", "twin"])
    assert say(engine, "e", decoding) == say(engine, "toy", decoding) != ""


@pytest.mark.parametrize("members", [PAIR, ["a", "b"], ["toy", "a", "other"]])
def test_the_average_is_the_mean_of_the_probabilities(members: list[str], home: Home) -> None:
    engine = ensemble(home, "average", members)
    stream = engine.answering("e").open(ASKED, GREEDY)
    while not stream.finish:
        stream.advance()
    assert stream.generated_ids == by_hand(engine, members, 16)
    assert stream.text not in {say(engine, member) for member in members}


@pytest.mark.parametrize("pool", ["linear", "geometric"])
def test_weights_are_shares_of_the_pool(pool: str, home: Home) -> None:
    engine = ensemble(home, "weighted", PAIR, weights=[6, 4], pool=pool)
    one, two = (
        engine.model(member)
        .torch_model()(input_ids=torch.tensor([engine.model(member).prompt_ids(ASKED)]))
        .logits[0, -1]
        .softmax(-1)
        for member in PAIR
    )
    expected = 0.6 * one + 0.4 * two if pool == "linear" else one**0.6 * two**0.4
    stream: Any = engine.answering("e").open(ASKED, GREEDY)
    assert torch.allclose(stream.logits()[0].softmax(-1).float(), expected / expected.sum(), atol=1e-6)
    assert f"{pool}, 0.60 / 0.40" in engine.answering("e").weights()


@pytest.mark.parametrize("pool", ["linear", "geometric"])
def test_a_member_without_weight_has_no_say(pool: str, home: Home) -> None:
    engine = ensemble(home, "weighted", PAIR, weights=[1, 0], pool=pool)
    assert say(engine, "e") == say(engine, "toy") != say(engine, "other")


def test_tokens_beyond_the_vocabulary_are_no_choice(home: Home) -> None:
    engine = ensemble(home, "average")
    plain, stream = say(engine, "e"), engine.answering("e").open(ASKED, GREEDY)
    part: Any = stream.parts[1]  # type: ignore[attr-defined]
    own = part.logits
    part.logits = lambda: torch.nn.functional.pad(own(), (0, 8), value=100.0)
    while not stream.finish:
        stream.advance()
    assert stream.text == plain


def test_a_token_that_ends_any_member_ends_all(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ensemble(home, "average")
    stream = engine.answering("e").open(ASKED, GREEDY)
    full = by_hand(engine, PAIR, 16)
    end, other = full[5], engine.model("other")
    monkeypatch.setattr(other, "stops", other.stops | {end})
    stream = engine.answering("e").open(ASKED, GREEDY)
    while not stream.finish:
        stream.advance()
    assert (stream.finish, stream.generated_ids) == ("eos", full[: full.index(end)])


# ---- vote --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "final", "expected"),
    [
        ("First 3, then\nthe total is 1,200.0 euros.", "number", Decimal(1200)),
        ("It is -4.", "number", Decimal(-4)),
        ("From 2019-05", "number", Decimal(5)),
        ("1,2", "number", Decimal(2)),
        ("Some words\n It  IS so ", "number", "it is so"),
        ("7 apples\n Blue ", "line", "blue"),
        ("One\n Two", "text", "one two"),
    ],
)
def test_what_an_answer_comes_to(text: str, final: str, expected: object) -> None:
    assert final_answer(text, final) == expected


class Told:
    """Stands for an engine whose answers are given."""

    def __init__(self, *texts: str):
        self.texts = iter(texts)
        self.asked: list[tuple[str, Any, int]] = []

    def model(self, name: str) -> Any:
        def answer(messages: Any, decoding: Decoding) -> Any:
            self.asked.append((name, messages, decoding.seed))
            text = next(self.texts)
            return SimpleNamespace(
                text=text, finish="length" if text.endswith("…") else "eos", generated_ids=list(text)
            )

        return SimpleNamespace(open=answer)


def outcome(method: Any, engine: Any, members: Sequence[str] = ("m",), decoding: Decoding = WARM) -> Any:
    stream = method.stream(engine, members, ASKED, decoding)
    while not stream.finish:
        stream.advance()
    return stream


def test_most_votes_win_and_the_note_counts_them() -> None:
    engine = Told("so 5", "well 7…", "7", "")
    stream = outcome(Vote(samples=4), engine)
    assert (stream.text, stream.finish, stream.note) == ("7", "eos", "2 of 4")
    assert len({seed for _, _, seed in engine.asked}) == 4


def test_a_tie_goes_to_the_likelier(monkeypatch: pytest.MonkeyPatch) -> None:
    likely = {"5": -2.0, "so 7": -0.5, "7": -1.0, "5.0": -1.5}
    monkeypatch.setattr(
        "workbench.ensembles.methods.vote.mean_logprob", lambda engine, who, messages, text: likely[text]
    )
    stream = outcome(Vote(samples=4), Told("5", "so 7", "7", "5.0"))
    assert (stream.text, stream.note) == ("so 7", "2 of 4, the likelier of a tie")


def test_empty_answers_elect_nobody() -> None:
    stream = outcome(Vote(samples=2), Told("", " "))
    assert (stream.text, stream.note) == ("", "every answer was empty")


def test_one_greedy_model_votes_for_its_answer(home: Home) -> None:
    engine = ensemble(home, "vote", ["toy"])
    stream = outcome(read_ensemble(home, "e").method, engine, ["toy"], GREEDY)
    assert (stream.text, stream.note) == (say(engine, "toy").strip(), "1 of 1")


# ---- pipeline ----------------------------------------------------------------------------------------------


def test_instructions_are_filled_in_once() -> None:
    assert fill("{prompt}: {answer} {0}", prompt="{answer}", answer="{prompt}") == "{answer}: {prompt} {0}"


def test_each_stage_gets_the_answer_before() -> None:
    engine = Told("one", " two ", "three")
    stream = outcome(Pipeline(instructions=["A {answer}", "B {prompt} {answer}"]), engine, ["x", "y", "z"])
    heard = [messages[-1]["content"] for _, messages, _ in engine.asked]
    assert heard == [ASKED[0]["content"], "A one", f"B {ASKED[0]['content']} two"]
    assert (stream.text, stream.note) == ("three", "3 stages") and engine.asked[0][1] == ASKED


def test_a_stage_with_nothing_to_say_changes_nothing() -> None:
    assert outcome(Pipeline(), Told("one", ""), ["x", "y"]).text == "one"


def test_the_user_s_prompt_alone_gives_the_last_member_s_answer(home: Home) -> None:
    engine = ensemble(home, "pipeline", PAIR, instructions=["{prompt}"])
    assert say(engine, "e") == say(engine, "other")


# ---- stacking ----------------------------------------------------------------------------------------------


def scoring(members: Sequence[str], **given: float) -> dict[str, float]:
    return {**dict.fromkeys(_features.names(members), 0.0), **given}


@pytest.mark.parametrize("member", PAIR)
def test_the_answer_with_the_higher_score_is_taken(member: str, home: Home) -> None:
    engine = ensemble(home, "stacking", PAIR, coefficients=scoring(PAIR, **{_features.by(member): 1.0}))
    stream = outcome(read_ensemble(home, "e").method, engine, PAIR, GREEDY)
    assert stream.text == say(engine, member).strip()
    assert stream.note.startswith(f"by {member}, 73% against")


def test_features_are_what_they_say(home: Home) -> None:
    engine, text = loaded(home, *PAIR), "aqqqq"
    ids = engine.model("toy").token_ids(text)
    found = _features.of_text(engine, PAIR, _features.Candidate("toy", text, "length"))
    assert found[_features.LENGTH] == pytest.approx(np.log(len(ids))) and found[_features.CUT] == 1
    assert found[_features.DISTINCT] == len(set(ids)) / len(ids) < 1
    assert (found[_features.by("toy")], found[_features.by("other")]) == (1, 0)
    prompt = engine.model("toy").prompt_ids(ASKED)
    logits = (
        engine.model("toy").torch_model()(input_ids=torch.tensor([prompt + ids])).logits[0].detach().log_softmax(-1)
    )
    expected = np.mean([float(logits[len(prompt) + n - 1, token]) for n, token in enumerate(ids)])
    assert mean_logprob(engine, "toy", ASKED, text) == pytest.approx(expected, abs=1e-5)
    assert set(found) | {_features.under(m) for m in PAIR} == set(_features.names(PAIR))


def vote(prompt: int, outcome: float, a: str = "toy", b: str = "other") -> StandingVote:
    return StandingVote(prompt, prompt, "me", a, b, outcome, "left", 1.0, False, 5, 5)


def planted(count: int, noise: float = 0.5) -> tuple[list[StandingVote], np.ndarray]:
    """Votes that the first feature decides, the second follows a little, the third never differs."""
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 3)) * [1, 1, 0]
    won = x @ [3, -1, 0] + noise * random.logistic(size=count) > 0
    given = [vote(n // 2, float(random.random() < 0.5)) for n in range(count)]
    return given, np.where(won[:, None], x, -x)


def test_the_fit_finds_what_decided_the_votes() -> None:
    _, design = planted(200)
    theta = stacking_fit.fit(design, 1.0)
    assert theta[0] > 1 and theta[1] < 0 and theta[2] == 0
    assert np.abs(stacking_fit.fit(design, 1000.0)).max() < np.abs(theta).max() / 5


def test_the_measure_is_of_prompts_not_fitted_on() -> None:
    given, design = planted(200)
    prompts = [one.prompt_index for one in given]
    assert stacking_fit.held_out_picks(design, prompts, 1.0, 10, 0).mean() > 0.85
    # random features, one for each prompt: what is learnt of one prompt says nothing about another
    memorised = np.zeros((40, 20))
    memorised[np.arange(40), np.arange(40) // 2] = 1
    assert set(stacking_fit.held_out_picks(memorised, [n // 2 for n in range(40)], 0.01, 10, 0)) == {0.5}


@pytest.mark.parametrize(
    ("count", "right", "wins", "says"),
    [(200, 1.0, 0.5, "better than toy"), (200, 0.5, 0.5, "cannot be told"), (200, 0.5, 1.0, "worse than toy"),
     (20, 1.0, 0.5, "20 votes are too few")],
)  # fmt: skip
def test_the_verdict_is_honest(count: int, right: float, wins: float, says: str) -> None:
    given = [vote(n, float(n % 2 == 0 or n == 1 or wins == 1)) for n in range(count)]
    choices = np.array([float(right == 1 or n // 2 % 2 == 0) for n in range(count)])
    found = stacking_fit.verdict(given, choices)
    assert says in found["verdict"] and found["accuracy"]["n"] == count == found["best_member_wins"]["n"]
    assert found["accuracy"]["low"] <= found["accuracy"]["share"] <= found["accuracy"]["high"]


def test_votes_between_one_model_s_own_answers_are_no_win_of_it() -> None:
    given = [vote(n, 1.0, "toy", "toy#2") for n in range(40)]
    found = stacking_fit.verdict(given, np.ones(40))
    assert "best_member" not in found and found["accuracy"]["share"] == 1


# ---- the shelf ---------------------------------------------------------------------------------------------


def test_an_ensemble_is_a_folder_that_names_its_members(home: Home) -> None:
    manifest = create_ensemble(home, "e", {"method": "vote", "samples": 2}, PAIR)
    assert [(parent.name, parent.role) for parent in manifest.parents] == [("toy", "member"), ("other", "member")]
    assert all(parent.digest for parent in manifest.parents) and manifest.kind == "ensemble"
    assert manifest.made_by == {"method": "vote", "samples": 2, "final": "number", "members": PAIR}
    assert {path.name for path in (home.models / "e").iterdir()} == {"manifest.yaml", "ensemble.yaml"}
    with pytest.raises(UserError, match="member of e"):
        delete_model(home, "other")


@pytest.mark.parametrize(
    ("method", "members", "says"),
    [
        ("average", ["toy"], "members: 1 are chosen. Choose 2 to 8"),
        ("average", ["toy", "toy"], "members: 'toy' is chosen 2 times"),
        ("average", ["toy", "foreign"], "members: 'toy' and 'foreign' have different vocabularies"),
        ("weighted", ["toy", "foreign"], "different vocabularies"),
        ({"method": "weighted", "weights": [1]}, PAIR, "weights: 1 are given for 2 members"),
        ({"method": "weighted", "weights": [0, 0]}, PAIR, "weights: all are 0"),
        ({"method": "weighted", "weights": [-1, 2]}, PAIR, "weights[0]"),
        ("vote", ["toy"] * 9, "9 are chosen. Choose 1 to 8"),
        ("vote", ["toy", "tyo"], "Did you mean toy?"),
        ("vote", ["toy", "inner"], "is an ensemble: several models that answer together. Choose a whole model"),
        ({"method": "pipeline", "instructions": ["Improve it."]}, PAIR, "instructions[0]: has neither"),
        ({"method": "pipeline", "instructions": ["{answer}"] * 2}, PAIR, "2 are given for 1 members"),
        ("stacking", PAIR, "coefficients: are not fitted for these members"),
        ("votes", PAIR, "Did you mean vote?"),
    ],
)
def test_what_cannot_be_an_ensemble_says_why(method: Any, members: list[str], says: str, home: Home) -> None:
    create_ensemble(home, "inner", "vote", PAIR)
    with pytest.raises(SpecError) as caught:
        create_ensemble(home, "e", method, members)
    assert says in str(caught.value) and not (home.models / "e").exists()


def test_everything_wrong_is_told_at_once(home: Home) -> None:
    with pytest.raises(SpecError) as caught:
        create_ensemble(home, "toy", {"method": "weighted", "weights": [1, 2, 3]}, ["toy", "nobody"])
    assert [problem.field for problem in caught.value.problems] == ["name", "members", "weights"]


def test_whole_answers_may_come_from_different_families(home: Home) -> None:
    assert say(ensemble(home, "vote", ["toy", "foreign"], samples=1), "e")


def test_an_ensemble_whose_members_no_longer_fit_does_not_answer(home: Home) -> None:
    create_ensemble(home, "e", "average", PAIR)
    shutil.copyfile(home.models / "foreign" / "tokenizer.json", home.models / "other" / "tokenizer.json")
    with pytest.raises(UserError, match="'e' cannot answer: 'toy' and 'other' have different vocabularies"):
        loaded(home, "e")
    shutil.rmtree(home.models / "other")
    with pytest.raises(UserError, match="'e' cannot answer: There is no model 'other'"):
        loaded(home, "e")


@pytest.mark.parametrize(
    "content", ["- 1", "method: vote", "method: nothing\nmembers: [toy]", "members: 3\nmethod: vote"]
)
def test_a_damaged_ensemble_is_told(content: str, home: Home) -> None:
    create_ensemble(home, "e", "vote", PAIR)
    (home.models / "e" / "ensemble.yaml").write_text(content)
    with pytest.raises(UserError, match="'e' is damaged"):
        read_ensemble(home, "e")


def test_a_name_that_came_to_mean_a_model_answers_as_it(home: Home) -> None:
    engine = ensemble(home, "average")
    shutil.rmtree(home.models / "e")
    shutil.copytree(home.models / "toy", home.models / "e")
    list(engine.load(["e"]))
    assert say(engine, "e") == say(loaded(home, "toy"), "toy")


# ---- the engine's batches ----------------------------------------------------------------------------------


def test_in_a_batch_only_what_is_too_long_fails(home: Home) -> None:
    engine = loaded(home, "toy")
    long = [{"role": "user", "content": "red apple " * 400}]
    alone = engine.answering("toy").answer_batch([ASKED], GREEDY)
    failed, answer = engine.answering("toy").answer_batch([long, ASKED], GREEDY)
    assert (failed.text, failed.finish) == ("", "error") and [answer] == alone


def test_in_a_batch_an_answer_ends_where_the_model_ends(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = loaded(home, "toy")
    short = [{"role": "user", "content": "Hi"}]
    longest = len(engine.model("toy").prompt_ids(ASKED)) + 5
    monkeypatch.setattr(engine.model("toy").torch_model().config, "max_position_embeddings", longest)
    answers = engine.answering("toy").answer_batch([ASKED, short], GREEDY)
    assert answers[0].tokens == 5 < answers[1].tokens
    assert [answer.text for answer in answers] == [say(engine, "toy", messages=m).strip() for m in (ASKED, short)]


# ---- the jobs and the page's service -----------------------------------------------------------------------


def answered(home: Home, models: list[str], prompts: int = 6) -> None:
    carry(
        home,
        Generate(session="s", models=models, prompts="talks", limit=prompts, decoding=WARM.model_copy(
            update={"max_new_tokens": 8})),
    )  # fmt: skip


def cast(home: Home, count: int = 100) -> None:
    """Votes for the model 'other' whenever it is one of the two."""
    names = {text: name for name, text in _texts(home)}
    for n in range(count):
        item = votes.next_item(home, "s", by("me"))
        if item is None:
            return
        choice = "left" if names[item.left] == "other" else "right"
        votes.vote(home, "s", by("me"), item.token, choice, f"k{n}", 1.0)


def _texts(home: Home) -> list[tuple[str, str]]:
    from workbench.preferences import store, tables

    with store.reading(home) as db:
        return [(row.model, row.text) for row in db.execute(tables.answers.select())]


def test_an_ensemble_answers_for_labelling(home: Home) -> None:
    create_ensemble(home, "e", "average", PAIR)
    answered(home, ["toy", "e"], 3)
    info = sessions.get_session(home, "s")
    assert info.complete and info.models == ["toy", "e"] and (info.prompts, info.usable) == (3, 3)


def test_labelling_stops_in_the_middle_of_an_ensemble_s_batch(home: Home) -> None:
    engine, context = ensemble(home, "vote"), JobContext(home, home.jobs)
    job = Generate(session="s", models=["e", "toy"], prompts="talks")
    stop, seen = job._stopper(context, 16), list[int]()

    def watch(place: int) -> None:
        seen.append(place)
        if len(seen) == 9:
            (home.jobs / STOP_FILE).write_text("keep")
        stop(place)

    with pytest.raises(JobStopped) as caught:
        engine.answering("e").answer_batch([ASKED] * 3, WARM, watch)
    assert caught.value.result == {"session": "s", "prompts": 16} and len(seen) == 9


def test_votes_become_a_stacking_ensemble(home: Home) -> None:
    answered(home, PAIR, 20)
    cast(home)
    close(home, "s")
    result = carry(home, FitStacking(session="s", output="stacked", folds=4)).state.result
    assert result["model"] == "stacked" and result["best_member"] == "other"
    assert result["accuracy"]["n"] == result["votes"] >= 8 and result["accuracy"]["share"] > 0.9
    assert "too few to rely on" in result["verdict"]
    manifest = read_manifest(home.models / "stacked")
    assert [parent.role for parent in manifest.parents] == ["member", "member", "labels"]
    assert manifest.made_by["method"] == "fit-stacking" and manifest.info["verdict"] == result["verdict"]
    method = read_ensemble(home, "stacked").method
    assert isinstance(method, Stacking)
    assert method.coefficients[_features.by("other")] > 0 > method.coefficients[_features.by("toy")]
    engine = loaded(home, "stacked")
    assert say(engine, "stacked") == say(engine, "other").strip()


def test_a_fit_says_what_it_lacks(home: Home) -> None:
    with pytest.raises(SpecError) as caught:
        Queue(home).submit(FitStacking(session="nothing", output="toy"))
    assert {problem.field for problem in caught.value.problems} == {"output", "session"}
    answered(home, PAIR, 4)
    cast(home, 2)
    with pytest.raises(SpecError, match="is open"):
        Queue(home).submit(FitStacking(session="s", output="stacked"))
    close(home, "s")
    with pytest.raises(SpecError, match="2 of its votes chose an answer"):
        Queue(home).submit(FitStacking(session="s", output="stacked"))


def test_a_session_of_an_ensemble_cannot_be_stacked(home: Home) -> None:
    create_ensemble(home, "e", "average", PAIR)
    answered(home, ["toy", "e"], 2)
    close(home, "s")
    with pytest.raises(SpecError, match="is an ensemble: several models that answer together"):
        Queue(home).submit(FitStacking(session="s", output="stacked"))


def test_the_pane_shows_the_note_and_keeps_the_last_with_the_answer(home: Home) -> None:
    service = ChatService(home)
    chat = service.chat("c")
    chat.panes = [Pane("e", [{"role": "user", "content": "Hi"}], state="waiting")]
    pace = {"pane": 0, "tokens": 4, "tokens_per_second": 2.0}
    service._on_start(chat, {"pane": 0, "weights": "Vote: …"})
    service._on_note(chat, {"pane": 0, "text": "sample 1 of 2"})
    assert chat.panes[0].head("a")["note"] == "sample 1 of 2"
    service._on_text(chat, {**pace, "text": "7"})
    service._on_done(chat, {**pace, "finish": "eos", "note": "2 of 2"})
    pane = chat.panes[0]
    assert pane.head("a")["note"] == "" and pane.shown()[1]["stats"] == "4 tokens · 2 tokens/s · finished · 2 of 2"


def test_an_ensemble_can_be_asked_in_compare(home: Home) -> None:
    create_ensemble(home, "e", "average", PAIR)
    service = ChatService(home)
    service._check(service.chat("c"), ["e", "toy"], "Hello")
    shutil.rmtree(home.models / "other")
    with pytest.raises(SpecError, match="There is no model 'other'"):
        service._check(service.chat("c"), ["e", "toy"], "Hello")
