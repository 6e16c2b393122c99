"""Every setting that names a model or dataset says so by its type, and refuses in the same words what it does not take.

What every kind of reference leads to is asked of every setting, through the check of the job it belongs to.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import carry, wrong_with
from tests.toy_gguf import gguf_home, toy_lora
from tests.toys import toy_pairs
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.reference import SCHEMA_KEY, Reference, reference_of
from workbench.core.registry import Registry
from workbench.core.spec import Spec
from workbench.data.store.dataset_reference import DatasetRef
from workbench.ensembles.engine import EnsembleEngine
from workbench.ensembles.shelf import create_ensemble, read_ensemble
from workbench.jobs.job import JOBS, Job
from workbench.models.model_references import REFERENCE_KINDS, ModelRef, accepted, resolve
from workbench.models.shelf import delete_model
from workbench.preferences.sessions import get_session

EXAMPLES = {
    "model": "toy", "adapter": "a", "gguf": "toy-f32", "gguf-adapter": "toy-f32+a", "ensemble": "duo",
    "endpoint": "@endpoint",
}  # fmt: skip
BESIDE = {"adapter": ["toy+a"]}  # other ways of writing one of that kind
WRONG = ("nobody", "toy+nobody", "toy+toy", "a+a", "toy-f32+toy", "duo+a", "owner/none")
UNREADABLE = ("toy+", "+a", "a+b+c", "two words")
MOE = {"base_model": "toy", "gate_mode": "random", "experts": [{"source_model": "toy"}, {"source_model": "other"}]}
SETTINGS: dict[str, dict[str, Any]] = {
    "assemble-moe": {"recipe": MOE, "output": "new"},
    "combine-adapters": {"adapters": ["a", "b"], "output": "new"},
    "cost": {"original": "toy", "variants": ["toy-f32"]},
    "extend-session": {"session": "round", "models": ["toy"]},
    "extract-lora": {"model": "a", "base": "toy", "output": "new"},
    "fold-adapter": {"adapter": "a"},
    "generate": {"session": "new", "models": ["toy", "other"], "prompts": "talks"},
    "hub-model": {"repo": "owner/name"},
    "import-answers": {"session": "new", "dataset": "pairs"},
    "likeness": {"models": ["toy", "other"]},
    "make-data": {"model": "toy", "dataset": "talks"},
    "measure": {"models": ["toy"], "dataset": "talks"},
    "merge": {"output": "new", "recipe": {"merge_method": "linear", "models": [{"model": "toy"}, {"model": "other"}]}},
    "merge-search": {"output": "new", "models": ["toy", "other"], "dataset": "talks"},
    "parity": {"model": "toy-f32"},
    "prune": {"model": "toy", "output": "new"},
    "push-dataset": {"repo": "owner/name", "dataset": "talks"},
    "push-gguf": {"repo": "owner/name", "models": ["toy-f32"]},
    "quantize": {"model": "toy", "quantizers": ["absmax"]},
    "find-learning-rate": {"model": "toy", "dataset": "talks"},
    "train": {"model": "toy", "dataset": "talks"},
}
"""Of every kind of job with such settings, some under which nothing is wrong with the models."""

Place = tuple[str, ...]


def places(spec: type[Spec], above: Place = ()) -> Iterator[tuple[Place, Reference]]:
    """Where the settings of a spec name something, in those of methods and nested specs too."""
    for name, info in spec.model_fields.items():
        place = (*above, name)
        if mark := reference_of(info):
            yield place, mark
        for inner in inner_specs([*info.metadata, info.annotation]):
            if inner.__name__ not in place and len(place) < 6:
                yield from places(inner, (*place, getattr(inner, "method", inner.__name__)))


def inner_specs(marks: Any) -> Iterator[type[Spec]]:
    for mark in marks:
        if isinstance(mark, Registry):
            yield from mark
        elif isinstance(mark, type) and issubclass(mark, Spec):
            yield mark
        else:
            yield from inner_specs([*getattr(mark, "__metadata__", ()), *getattr(mark, "__args__", ())])


def with_text(settings: Any, place: Place, text: str) -> dict[str, Any]:
    """The settings with the text in that place, of a list in place of the first."""
    data, (name, *below) = dict(settings), place
    if not below:
        data[name] = [text, *data[name][1:]] if isinstance(data.get(name), list) else text
        return data
    method, *rest = below
    inner = data.get(name)
    if isinstance(inner, list):
        data[name] = [with_text(inner[0], tuple(rest), text), *inner[1:]]
    else:
        known = inner if isinstance(inner, dict) else {}
        data[name] = with_text(known if method[0].isupper() else {"method": method}, tuple(rest), text)
    return data


UNUSUAL = {"modules", "slices", "Slice", "SliceSource", "Module", "tokenizer", "tokenizer_source", "shared_experts"}
"""Parts of recipes that need others beside them; they have the type of those that are tried."""


OF_MODELS, OF_DATASETS = (
    [
        pytest.param(kind, place, mark, id=f"{kind.method}-{'.'.join(place)}")
        for kind in JOBS for place, mark in places(kind)
        if isinstance(mark, type_) and kind.method in SETTINGS and not UNUSUAL & set(place)
    ]
    for type_ in (ModelRef, DatasetRef)
)  # fmt: skip


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("references") / "home"
    home = gguf_home(tmp_path_factory, root)
    toy_lora(home, "b", seed=5)
    toy_pairs(home)
    create_ensemble(home, "duo", "average", ["toy", "a"])
    return root


@pytest.fixture
def home(shelf: Path, own_home: Path) -> Home:
    shutil.rmtree(own_home, ignore_errors=True)
    return Home.at(shutil.copytree(shelf, own_home))


def problem_of(home: Home, kind: type[Job], settings: dict[str, Any]) -> str:
    try:
        return wrong_with(home, kind.parse(settings))
    except SpecError as error:
        return "\n".join(map(str, error.problems))


def refusal(home: Home, text: str, kinds: tuple[str, ...]) -> str:
    """What is said of a text that is not taken, without the field; '' where it is."""
    try:
        resolve(home, text, "FIELD", kinds)
    except UserError as error:
        return str(error).removeprefix("FIELD: ")
    return ""


def test_every_kind_of_job_that_names_models_or_datasets_is_tried() -> None:
    naming = {kind.method for kind in JOBS if any(isinstance(mark, ModelRef) for _, mark in places(kind))}
    assert naming - {"import-data", "prepare"} <= SETTINGS.keys()  # those name a model in steps, see below


def test_every_kind_that_is_taken_is_there() -> None:
    kinds = REFERENCE_KINDS.all()
    assert set(EXAMPLES) == set(kinds)
    for registry in Registry.by_key().values():
        for method in registry:
            for place, mark in places(method):
                if isinstance(mark, ModelRef):
                    assert mark.kinds and set(mark.kinds) <= set(kinds), place


@pytest.mark.parametrize(("kind", "place", "mark"), OF_MODELS)
def test_a_model_is_taken_or_refused_in_the_same_words_by_every_setting(
    kind: type[Job], place: Place, mark: ModelRef, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_ENDPOINT_URL", "http://localhost:9/v1")
    monkeypatch.setenv("WORKBENCH_ENDPOINT_MODEL", "far")
    settings = SETTINGS[kind.method]
    for name, example in EXAMPLES.items():
        for text in (example, *BESIDE.get(name, [])):
            problems = problem_of(home, kind, with_text(settings, place, text))
            words = refusal(home, text, mark.kinds)
            if name in mark.kinds:
                assert "Choose " + mark.accepted() not in problems, text
            else:
                assert words.startswith(f"{text!r} is {REFERENCE_KINDS.get(name).is_a}. Choose {mark.accepted()}.")
                assert words in problems, text
    for text in WRONG:
        assert refusal(home, text, mark.kinds) in problem_of(home, kind, with_text(settings, place, text)), text
    for text in UNREADABLE:
        assert refusal(home, text, mark.kinds) in problem_of(home, kind, with_text(settings, place, text)), text


@pytest.mark.parametrize(("kind", "place", "mark"), OF_DATASETS)
def test_a_dataset_is_taken_or_refused_in_the_same_words_by_every_setting(
    kind: type[Job], place: Place, mark: DatasetRef, home: Home
) -> None:
    settings = SETTINGS[kind.method]
    assert "There is no dataset 'talk'. Did you mean talks?" in problem_of(
        home, kind, with_text(settings, place, "talk")
    )
    words = f"'pairs' holds preference rows. Choose {mark.accepted()}."
    refused = bool(mark.kinds) and "preference" not in mark.kinds
    assert (words in problem_of(home, kind, with_text(settings, place, "pairs"))) == refused
    assert "is not chosen" not in problem_of(home, kind, with_text(settings, place, "talks"))


@pytest.mark.parametrize(("kind", "place", "mark"), [*OF_MODELS, *OF_DATASETS])
def test_a_json_schema_tells_what_may_be_named(kind: type[Job], place: Place, mark: Reference) -> None:
    """So that whoever draws the setting needs nothing but its field."""
    if len(place) == 1:
        assert kind.model_json_schema()["properties"][place[0]][SCHEMA_KEY] == mark.schema()


def test_texts_that_name_nothing_are_said_to_be_not_chosen(home: Home) -> None:
    problems = wrong_with(home, JOBS.parse({"method": "train", "model": " ", "dataset": ""}))
    assert f"model: is not chosen. Choose {accepted(('model', 'adapter'))}." in problems
    assert "dataset: is not chosen. Choose a dataset of conversation, text or preference rows." in problems


def test_a_step_of_a_recipe_refuses_in_these_words_too(home: Home) -> None:
    step = {"method": "token_length", "model": "duo"}
    words = wrong_with(home, JOBS.parse({"method": "prepare", "recipe": {"name": "talks", "steps": [step]}}))
    assert refusal(home, "duo", ("model", "adapter")) in words
    mixed = {"method": "mix", "others": {"talk": 1.0}}
    words = wrong_with(home, JOBS.parse({"method": "prepare", "recipe": {"name": "talks", "steps": [mixed]}}))
    assert "There is no dataset 'talk'. Did you mean talks?" in words


def test_the_resolver_names_near_models_and_what_is_taken() -> None:
    assert accepted(("model", "adapter", "gguf", "gguf-adapter", "ensemble")) == (
        "a whole model, an adapter, BASE+ADAPTER, a GGUF file, GGUF+ADAPTER or an ensemble"
    )


# ---- an adapter over a base that it was not trained on -----------------------------------------------------

OVER_ANOTHER: dict[str, tuple[dict[str, Any], str]] = {
    "combine-adapters": ({"adapters": ["other+a", "other+b"], "output": "new"}, "new"),
    "extract-lora": ({"model": "other+a", "base": "other"}, "other-a-lora"),
    "fold-adapter": ({"adapter": "other+a"}, "other-a-merged"),
    "merge": (
        {"output": "new", "recipe": {"merge_method": "linear", "models": [
            {"model": "other+a", "parameters": {"weight": 1}}, {"model": "toy", "parameters": {"weight": 1}},
        ]}, "proof": {"prompts": 1, "tokens": 8}}, "new",
    ),
    "prune": ({"model": "other+a", "pruner": "magnitude", "output": "new"}, "new"),
    "quantize": ({"model": "other+a", "quantizers": ["absmax"]}, "other-a-absmax-int8"),
    "train": ({"model": "other+a", "dataset": "talks", "max_steps": 1, "batch_size": 2}, "other-a-sft"),
}  # fmt: skip
"""Kinds of job that make something of it, and the name of that."""


@pytest.mark.parametrize("kind", OVER_ANOTHER)
def test_what_is_made_of_it_has_both_as_parents(kind: str, home: Home, one_thread: None) -> None:
    settings, output = OVER_ANOTHER[kind]
    view = carry(home, JOBS.parse({"method": kind, **settings}))
    assert not [note for note in view.state.notes if "could not be looked at" in note]
    parents = {parent.name for parent in read_manifest(home.models / output).parents}
    assert {"other", "a"} <= parents and ("toy" in parents) == (kind == "merge")


def test_it_is_measured_compared_and_judged_like_any_model(home: Home, one_thread: None) -> None:
    losses: dict[str, float] = {}
    for models in (["other+a", "a"], ["toy+a"]):
        view = carry(home, JOBS.parse({"method": "measure", "models": models, "dataset": "talks"}))
        losses |= {row["model"]: row["loss"] for row in view.state.result["table"]}
    assert losses["a"] == losses["toy+a"] != losses["other+a"]
    twice = wrong_with(home, JOBS.parse({"method": "measure", "models": ["a", "toy+a"], "dataset": "talks"}))
    assert twice == "models: 'toy+a', which is 'a' too, is chosen twice. Choose each model once."
    compared = carry(home, JOBS.parse({"method": "likeness", "models": ["other+a", "other"]}))
    assert compared.state.result["models"] == ["other+a", "other"]
    answers = {"session": "new", "models": ["other+a", "toy-f32+a"], "prompts": "talks", "limit": 2}
    carry(home, JOBS.parse({"method": "generate", **answers, "decoding": {"max_new_tokens": 4}}))
    assert get_session(home, "new").models == ["other+a", "toy-f32+a"]


def test_an_ensemble_of_it_answers_and_holds_its_base_on_the_shelf(home: Home, one_thread: None) -> None:
    create_ensemble(home, "trio", "average", ["toy", "other + a"])
    assert read_ensemble(home, "trio").members == ("toy", "other+a")
    engine = EnsembleEngine(home)
    list(engine.load(["trio"]))
    assert "other + adapter a on" in engine.answering("trio").weights()
    for name in ("other", "a"):
        with pytest.raises(UserError, match=r"is a member of (duo, )?trio"):
            delete_model(home, name)
