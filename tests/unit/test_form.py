"""Forms made from specs: what a person sees is what the spec says, and what they choose is what it gets."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from pydantic.fields import FieldInfo

from tabs._form import Form
from workbench.chat.decoding import Decoding
from workbench.commands.shared import families
from workbench.errors import SpecError
from workbench.jobs.job import JOBS
from workbench.jobs.kinds.generate import Generate
from workbench.jobs.kinds.train import Train
from workbench.registry import Registry
from workbench.spec import Spec
from workbench.training.objective import OBJECTIVES
from workbench.training.tuner import TUNERS

FILLED = {"model": "toy", "dataset": "talks"}
SPECS: list[type[Spec]] = [*JOBS, *OBJECTIVES, *TUNERS, *families()["format"], Decoding]


def picker(**options: Any) -> gr.Dropdown:
    return gr.Dropdown([], allow_custom_value=True, **options)


def form_of(spec: type[Spec], **options: Any) -> Form:
    with gr.Blocks():
        return Form(spec, **options)


@pytest.fixture(scope="module")
def train() -> Form:
    return form_of(Train, pickers={"model": picker, "dataset": picker}, main=["model", "dataset", "objective", "tuner"])


def values(form: Form, **chosen: Any) -> list[Any]:
    """The widgets' values as they stand, with some chosen by their path: tuner__r."""
    picked = {tuple(key.split("__")): value for key, value in chosen.items()}
    assert set(picked) <= {field.path for field in form.fields}
    return [picked.get(field.path, field.widget.value) for field in form.fields]


def leaves(spec: type[Spec], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting of a spec by its path; those of a method under the method's field."""
    for name, info in spec.model_fields.items():
        registry = next((part for part in info.metadata if isinstance(part, Registry)), None)
        if registry:
            for method in registry:
                yield from leaves(method, (*prefix, name))
        elif isinstance(info.annotation, type) and issubclass(info.annotation, Spec):
            yield from leaves(info.annotation, (*prefix, name))
        else:
            yield (*prefix, name), info


def test_the_untouched_form_is_the_spec_with_its_defaults(train: Form) -> None:
    assert Train.parse(train.data(values(train, **FILLED))) == Train.parse(FILLED)


def test_the_untouched_form_gives_every_setting_of_the_chosen_methods(train: Form) -> None:
    data = train.data(values(train, **FILLED))
    assert {key for key in data if key not in FILLED} == set(Train.model_fields) - set(FILLED)
    assert set(data["objective"]) == {"method", *OBJECTIVES.get("sft").model_fields}


def test_settings_of_methods_not_chosen_are_left_out(train: Form) -> None:
    data = train.data(values(train, **FILLED, objective__method="dpo", tuner__method="qlora"))
    assert set(data["objective"]) == {"method", *OBJECTIVES.get("dpo").model_fields}
    assert set(data["tuner"]) == {"method", *TUNERS.get("qlora").model_fields}
    assert Train.parse(data) == Train.parse({**FILLED, "objective": "dpo", "tuner": "qlora"})


def test_an_emptied_number_keeps_its_default(train: Form) -> None:
    data = train.data(values(train, **FILLED, max_length=None, tuner__r=None))
    assert data["max_length"] == 512 and data["tuner"]["r"] == TUNERS.get("lora").model_fields["r"].default


def test_an_empty_choice_is_told_as_such_not_as_a_type(train: Form) -> None:
    assert Train.parse(train.data(values(train))).model == ""


def test_a_wrong_number_is_told_with_its_field(train: Form) -> None:
    with pytest.raises(SpecError) as caught:
        Train.parse(train.data(values(train, **FILLED, objective__learning_rate=0)))
    assert [problem.field for problem in caught.value.problems] == ["objective.learning_rate"]


def test_updates_fill_exactly_the_named_fields(train: Form) -> None:
    settings = {"max_length": 99, "objective": {"method": "dpo", "beta": 0.5}, "tuner": {"r": 3}}
    found = train.updates(settings)
    filled = {
        (field.path, field.owner and field.owner[1]): update["value"]
        for field, update in zip(train.fields, found, strict=True)
        if "value" in update
    }
    assert filled == {
        (("max_length",), None): 99,
        (("objective", "method"), None): "dpo",
        (("objective", "beta"), "dpo"): 0.5,
        (("tuner", "r"), "lora"): 3,
        (("tuner", "r"), "qlora"): 3,
    }


def test_choosing_a_method_shows_its_settings_and_hides_the_others(train: Form) -> None:
    found = train.group_updates({"objective": {"method": "dpo"}})
    shown = {
        method: update.get("visible")
        for (path, method, _), update in zip(train.groups, found, strict=True)
        if path == ("objective",)
    }
    assert shown == {method.method: method.method == "dpo" for method in OBJECTIVES}
    assert all("visible" not in u for (p, _, _), u in zip(train.groups, found, strict=True) if p == ("tuner",))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_setting_has_a_widget_with_its_help(spec: type[Spec]) -> None:
    form = form_of(spec)
    wanted = dict(leaves(spec))
    made = {field.path: field.widget for field in form.fields if field.path[-1] != "method"}
    assert set(made) == set(wanted)
    assert all(made[path].info == info.description for path, info in wanted.items())


@pytest.mark.parametrize("registry", [OBJECTIVES, TUNERS], ids=lambda registry: registry.family)
def test_every_method_is_offered_by_its_title(registry: Registry[Any], train: Form) -> None:
    pick = next(field.widget for field in train.fields if field.path == (registry.family, "method"))
    assert [name for _, name in pick.choices] == list(registry.all())
    assert all(label.startswith(registry.get(name).title) for label, name in pick.choices)


def test_numbers_are_bounded_as_the_spec_bounds_them(train: Form) -> None:
    beta = next(field.widget for field in train.fields if field.path == ("objective", "beta"))
    rank = next(field.widget for field in train.fields if field.path == ("tuner", "r"))
    assert (rank.minimum, rank.maximum, rank.precision) == (1, 512, 0)
    assert (beta.minimum, beta.maximum, beta.precision) == (0, 10, None)


def test_nested_settings_are_filled_and_read(train: Form) -> None:
    form = form_of(Generate)
    filled = values(form, session="s", models=["a", "b"], prompts="p", decoding__top_k=7)
    made = Generate.parse(form.data(filled))
    assert made.decoding == Decoding(max_new_tokens=160, top_k=7)
