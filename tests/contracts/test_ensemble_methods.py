"""What every ensemble promises, held on two toy models of one tokenizer."""

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.toys import EXACT, wordy_model
from workbench.chat.worker import Worker
from workbench.core.home import Home
from workbench.ensembles.engine import EnsembleEngine
from workbench.ensembles.method import ENSEMBLES, Ensemble
from workbench.ensembles.methods import _features
from workbench.ensembles.shelf import create_ensemble, read_ensemble
from workbench.inference import engine as engine_module
from workbench.inference.decoding import Decoding
from workbench.inference.stream import TokenStream

pytestmark = pytest.mark.usefixtures("one_thread")
ASKED = [{"role": "user", "content": "Tell me of the red apple."}]
WARM = Decoding(temperature=1.5, max_new_tokens=12, seed=3)
MEMBERS = ["toy", "other"]
SETTINGS: dict[str, dict[str, Any]] = {
    "stacking": {"coefficients": dict.fromkeys(_features.names(MEMBERS), 0.5)},
    "vote": {"samples": 2},
}
every_ensemble = pytest.mark.parametrize("method", [pytest.param(m, id=m.method) for m in ENSEMBLES])


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.at(tmp_path_factory.mktemp("ensembles"))
    wordy_model(home, "toy", 0)
    wordy_model(home, "other", 1)
    for method in ENSEMBLES:
        create_ensemble(home, f"my-{method.method}", settings(method), MEMBERS)
    return home.root


@pytest.fixture(scope="module")
def engine(toys: Path) -> Iterator[EnsembleEngine]:
    """One engine with every ensemble loaded, as the chat process has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "detect_hardware", lambda: EXACT)
        made = EnsembleEngine(Home.at(toys))
        list(made.load([*MEMBERS, *map(name_of, ENSEMBLES)]))
        yield made


def settings(method: type[Ensemble]) -> dict[str, Any]:
    return {"method": method.method, **SETTINGS.get(method.method, {})}


def name_of(method: type[Ensemble]) -> str:
    return f"my-{method.method}"


def run(stream: TokenStream) -> tuple[str, list[str]]:
    """The text that came in parts, and the notes on the way."""
    parts, notes = [], []
    while not stream.finish:
        parts.append(stream.advance())
        notes.append(stream.note)
    return "".join(parts), notes


@every_ensemble
def test_it_answers_as_one_model_would(method: type[Ensemble], engine: EnsembleEngine) -> None:
    stream = engine.answering(name_of(method)).open(ASKED, WARM)
    text, _ = run(stream)
    assert text == stream.text and text.strip()
    assert (stream.finish, stream.name) == ("length", name_of(method))
    assert 0 < len(stream.generated_ids) <= 12 and stream.seconds > 0


@every_ensemble
def test_the_same_seed_gives_the_same_answer(method: type[Ensemble], engine: EnsembleEngine) -> None:
    name = name_of(method)
    first, again, other = (
        run(engine.answering(name).open(ASKED, WARM.model_copy(update={"seed": seed})))[0] for seed in (3, 3, 4)
    )
    assert first == again != other


@every_ensemble
def test_what_was_asked_before_changes_nothing(method: type[Ensemble], engine: EnsembleEngine) -> None:
    name = name_of(method)
    alone = run(engine.answering(name).open(ASKED, WARM))[0]
    streams = [
        engine.answering(name).open(ASKED, WARM),
        engine.answering("toy").open(ASKED, WARM),
        engine.answering(name).open(ASKED, WARM),
    ]
    while not all(stream.finish for stream in streams):
        for stream in streams:
            if not stream.finish:
                stream.advance()
    assert streams[0].text == streams[2].text == alone


@every_ensemble
def test_the_pane_says_who_answers_and_how(method: type[Ensemble], engine: EnsembleEngine) -> None:
    said = engine.answering(name_of(method)).weights()
    assert method.title in said
    assert all(engine.answering(member).weights() in said for member in MEMBERS)


@every_ensemble
def test_there_is_something_to_see_all_along(method: type[Ensemble], engine: EnsembleEngine) -> None:
    stream = engine.answering(name_of(method)).open(ASKED, WARM)
    shown = [("", "")]
    while not stream.finish:
        stream.advance()
        shown.append((stream.text, stream.note))
    assert all(before != after for before, after in itertools.pairwise(shown))


@every_ensemble
def test_it_stops_when_asked(method: type[Ensemble], engine: EnsembleEngine) -> None:
    out = io.StringIO()
    worker = Worker(engine.home, out)
    pane = {"pane": 0, "model": name_of(method), "messages": ASKED}
    worker._chat("1:a", [pane], WARM.model_copy(update={"max_new_tokens": 300}).to_dict())
    for _ in range(3):
        worker._turn()
    worker._stop("1:a")
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert worker.active == [] and events[-1]["event"] == "done" and events[-1]["finish"] == "stopped"
    assert any(event["event"] in ("note", "text") for event in events)


@every_ensemble
def test_a_batch_says_what_streams_say(method: type[Ensemble], engine: EnsembleEngine) -> None:
    name = name_of(method)
    asked = [ASKED, [{"role": "user", "content": "And of the lake?"}]]
    seen: list[int] = []
    answers = engine.answering(name).answer_batch(asked, WARM, seen.append)
    streams = [
        engine.answering(name).open(messages, WARM.model_copy(update={"seed": 3 + n}))
        for n, messages in enumerate(asked)
    ]
    assert [answer.text for answer in answers] == [run(stream)[0].strip() for stream in streams]
    assert [answer.finish for answer in answers] == ["length"] * 2 and set(seen) == {0, 1}


@every_ensemble
def test_a_conversation_that_is_too_long_is_an_error_of_its_own(method: type[Ensemble], engine: EnsembleEngine) -> None:
    long = [{"role": "user", "content": "red apple " * 400}]
    answers = engine.answering(name_of(method)).answer_batch([long, ASKED], WARM)
    assert [answer.finish for answer in answers] == ["error", "length"]


@every_ensemble
def test_it_comes_from_the_shelf_as_it_was_put_there(method: type[Ensemble], engine: EnsembleEngine) -> None:
    found = read_ensemble(engine.home, name_of(method))
    assert found.method == ENSEMBLES.parse(settings(method)) and found.members == tuple(MEMBERS)
