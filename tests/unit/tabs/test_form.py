"""Forms made from specs: what a person sees is what the spec says, and what they choose is what it gets."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import gradio as gr
import pytest
from pydantic import Field

from tabs.forms.form import Form, beside_fields
from tabs.train.presets import presets
from workbench.cli.shared import families
from workbench.core.errors import Problem, SpecError
from workbench.core.registry import Registry
from workbench.core.spec import Spec
from workbench.inference.decoding import Decoding
from workbench.jobs.job import JOBS, Job
from workbench.merging.jobs.assemble_moe import AssembleMoe
from workbench.merging.jobs.combine_adapters import CombineAdapters
from workbench.preferences.jobs.generate import Generate
from workbench.training.jobs.train import Train
from workbench.training.objective import OBJECTIVES
from workbench.training.tuner import TUNERS, Tuner

FILLED = {"model": "toy", "dataset": "talks"}
SPECS: list[type[Spec]] = [*JOBS, *OBJECTIVES, *TUNERS, *families()["format"], Decoding]


def form_of(spec: type[Spec], **options: Any) -> Form:
    with gr.Blocks():
        return Form(spec, lambda ref: lambda: [("Toy", "toy")], **options)


@pytest.fixture(scope="module")
def train() -> Form:
    return form_of(Train, first=("model",))


def drawn(fields: list[dict[str, Any]], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting the browser is told of, by its path."""
    for field in fields:
        path = (*prefix, field["name"])
        if field["kind"] == "method":
            for method in field["methods"]:
                yield from drawn(method["fields"], (*path, method["method"]))
        elif field["kind"] == "group":
            yield from drawn(field["fields"], path)
        else:
            yield path, field


def test_the_untouched_form_is_the_spec_with_its_defaults(train: Form) -> None:
    assert Train.parse(train.data(FILLED)) == Train.parse(FILLED)


def test_the_untouched_form_gives_every_setting_of_the_chosen_methods(train: Form) -> None:
    data = train.data(FILLED)
    assert set(data) == set(Train.model_fields)
    assert Train.parse({**FILLED, **data}).objective.to_dict() == OBJECTIVES.parse("sft").to_dict()


def test_a_method_not_usual_gets_its_own_defaults(train: Form) -> None:
    data = train.data({**FILLED, "objective": {"method": "dpo"}, "tuner": {"method": "qlora"}})
    assert Train.parse(data) == Train.parse({**FILLED, "objective": "dpo", "tuner": "qlora"})


def test_a_usual_method_keeps_what_its_field_sets_of_it() -> None:
    class Cooking(Spec):
        tuner: Annotated[Tuner, TUNERS] = Field({"method": "lora", "r": 3}, validate_default=True)

    form = form_of(Cooking)
    assert form.data({"tuner": {"method": "lora", "alpha": 7}})["tuner"] == {"method": "lora", "r": 3, "alpha": 7}
    assert form.data({"tuner": {"method": "qlora"}})["tuner"] == {"method": "qlora"}
    lora = next(one for one in form.fields["tuner"]["methods"] if one["method"] == "lora")
    assert {field["name"]: field["default"] for field in lora["fields"]}["r"] == 3


def test_nothing_set_keeps_the_default_of_a_nested_spec() -> None:
    form = form_of(Generate)
    made = Generate.parse(form.data({"session": "s", "models": ["a", "b"], "prompts": "p", "decoding": {"top_k": 7}}))
    assert made.decoding == Decoding(max_new_tokens=160, top_k=7)
    assert {field["name"]: field["default"] for field in form.fields["decoding"]["fields"]}["max_new_tokens"] == 160


def test_an_empty_choice_is_told_as_such_not_as_a_type(train: Form) -> None:
    assert Train.parse(train.data({})).model == ""
    with pytest.raises(SpecError, match="at least 2"):
        CombineAdapters.parse(form_of(CombineAdapters).data(None))


@pytest.mark.parametrize("rate", [0, "fast", None])
def test_a_wrong_number_is_told_with_its_field(train: Form, rate: Any) -> None:
    with pytest.raises(SpecError) as caught:
        Train.parse(train.data({**FILLED, "objective": {"method": "sft", "learning_rate": rate}}))
    assert [problem.field for problem in caught.value.problems] == ["objective.learning_rate"]


def test_what_is_no_setting_is_refused(train: Form) -> None:
    with pytest.raises(SpecError, match="no such setting"):
        Train.parse(train.data({**FILLED, "modle": "x"}))


def test_a_mapping_is_written_as_yaml() -> None:
    form = form_of(AssembleMoe)
    assert form.data({"recipe": "base_model: toy\nexperts: []"})["recipe"] == {"base_model": "toy", "experts": []}
    assert form.data({"recipe": {"base_model": "toy"}})["recipe"] == {"base_model": "toy"}
    with pytest.raises(SpecError, match="not valid YAML"):
        form.data({"recipe": "base_model: [toy"})


def test_filling_changes_exactly_what_is_named() -> None:
    old = {"epochs": 3, "objective": {"method": "sft", "train_on": "all"}, "tuner": {"method": "lora", "r": 3}}
    new = {"max_length": 99, "objective": {"method": "dpo", "beta": 0.5}, "tuner": {"alpha": 4}}
    assert Form.filled(old, new) == {
        "epochs": 3, "max_length": 99, "objective": {"method": "dpo", "beta": 0.5},
        "tuner": {"method": "lora", "r": 3, "alpha": 4},
    }  # fmt: skip
    assert Form.filled(None, new) == new
    assert old["tuner"] == {"method": "lora", "r": 3}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_what_the_browser_shows_at_first_is_what_the_spec_gets(spec: type[Spec]) -> None:
    form = form_of(spec)
    data = form.data({})
    for name, field in form.fields.items():
        info = spec.model_fields[name]
        if not info.is_required() and field["kind"] not in ("method", "group", "yaml"):
            usual = info.get_default(call_default_factory=True)
            assert (data[name], field["default"]) == (usual, usual), name


@pytest.mark.parametrize("registry", [OBJECTIVES, TUNERS], ids=lambda registry: registry.family)
def test_every_method_is_offered_by_its_title(registry: Registry[Any], train: Form) -> None:
    offered = {one["method"]: one["title"] for one in train.fields[registry.family]["methods"]}
    assert offered == {method.method: method.title for method in registry}


def test_numbers_are_bounded_as_the_spec_bounds_them(train: Form) -> None:
    told = dict(drawn(list(train.fields.values())))
    beta, rank = told["objective", "dpo", "beta"], told["tuner", "lora", "r"]
    assert (rank["low"], rank["high"], rank["whole"]) == (1, 512, True)
    assert (beta["low"], beta["high"], beta["whole"]) == (0, 10, False)
    assert (beta["above"], beta["below"], rank["above"]) == (True, False, False)


def test_lists_hidden_and_left_out_fields() -> None:
    kinds = {method.method: list(method.dataset_kinds) for method in OBJECTIVES}
    form = form_of(
        Train, skip=("seed",), hidden=("dataset",), first=("model",),
        without={"tuner": ("qlora",)}, fits={"objective": ("dataset", kinds)},
    )  # fmt: skip
    assert "seed" not in form.fields and "dataset" not in form.fields
    assert form.fields["model"]["kind"] == "one" and form.fields["model"]["first"]
    assert "qlora" not in [one["method"] for one in form.fields["tuner"]["methods"]]
    assert form.fields["objective"]["fits"] == {
        "field": "dataset",
        "list": "datasets(conversation,text,preference)",
        "tags": kinds,
    }
    data = form.data({"dataset": "talks", "model": "toy"})
    assert data["dataset"] == "talks" and "seed" not in data


@pytest.mark.parametrize("job", list(JOBS), ids=lambda job: job.method)
def test_a_value_cannot_make_another_job_of_a_form(job: type[Job]) -> None:
    form = form_of(job)
    for other in ("import-gguf", job.method):
        with pytest.raises(SpecError, match=r"method: there is no such setting"):
            form.parsed({"method": other, "path": "/etc/passwd"})


def test_every_preset_of_the_train_tab_is_there_and_a_training_takes_its_settings() -> None:
    found = presets()
    assert {"quick", "balanced", "preferences", "small_gpu"} <= found.keys()
    for preset in found.values():
        assert preset["title"] and Train.parse({"model": "m", "dataset": "d", "output": "o", **preset["settings"]})


def test_what_is_refused_is_told_beside_its_setting_and_leaves_the_other_outputs(
    train: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda text, **_: told.append(text))
    start = beside_fields(lambda value: train.parsed(value).max_length, [train])
    settings = {**FILLED, "objective": {"method": "dpo", "beta": 0}, "max_length": 1}
    picker, form = start(settings)
    assert picker == gr.skip()
    assert [problem["path"] for problem in form["problems"]] == [["objective", "beta"], ["max_length"]]
    assert "greater than 0" in form["problems"][0]["text"] and "objective.beta" in told[0]
    assert start({**FILLED, "max_length": 99}) == [99, gr.update(problems=[])]
    with pytest.raises(gr.Error, match="no such setting"):  # of nothing in the form
        start({**FILLED, "epoch": 3})


def test_a_form_of_a_part_of_a_spec_tells_what_is_below_its_path() -> None:
    form = form_of(Decoding, path=("decoding",))
    found = [
        Problem(("decoding", "top_k"), "is wrong.", "Mend it."),
        Problem(("top_k",), "x"),
        Problem(("decoding",), "x"),
    ]
    assert form.problems(found) == [{"path": ["top_k"], "text": "is wrong. Mend it."}]


def test_lines_within_a_group_are_offered_a_list_of_the_page() -> None:
    form = form_of(Generate, suggested={"labelling.voters": lambda: [("ann · annotator", "ann")]})
    within = {each["name"]: each for each in form.fields["labelling"]["fields"]}
    assert within["voters"]["kind"] == "lines" and within["voters"]["list"] == "labelling.voters"
    offered = json.loads(form.input.lists({}, None).body)
    assert offered["labelling.voters"]["choices"] == [["ann · annotator", "ann"]]
    assert "list" not in within["aspects"]


def test_what_a_form_is_made_of_is_no_prop_that_an_update_before_it_is_drawn_could_take_away(train: Form) -> None:
    assert "form" not in train.input.props
    assert '"name": "objective"' in train.input.js_on_load
