"""What every merge method promises, mergekit's and our own, on small tensors through mergekit's way in."""

from typing import Any

import pytest
import torch
from mergekit.merge_methods import merge_state_dicts, registered_methods
from torch import Tensor

from workbench.merging import catalogue
from workbench.merging.mergekit_bridge import Adapter, register_with_mergekit
from workbench.merging.method import METHODS
from workbench.merging.parameters import MethodInfo

SHAPES = {"embed": (40, 16), "proj": (16, 24), "norm": (16,)}
CLOSE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
LISTED = {listed["name"]: listed for listed in catalogue._listing()["methods"]}
INFOS = list(catalogue.methods().values())
every_method = pytest.mark.parametrize("info", INFOS, ids=[info.name for info in INFOS])
every_dtype = pytest.mark.parametrize("dtype", CLOSE, ids=str)
weighted = pytest.mark.parametrize(
    "info", [info for info in INFOS if info.parameter("weight")], ids=lambda info: info.name
)
# what chance or selection needs to have something to do
SOME = {"density": 0.6, "gamma": 0.05, "epsilon": 0.2, "select_topk": 0.5, "t": 0.3, "weight": 0.7, "scale": 0.9}
# where mergekit breaks the promise, and how
NOT_ITSELF = {
    ("multislerp", torch.float16): "parallel tensors divide 0 by 0: its 1e-8 for safety is 0 in half precision",
}
WIDER = {  # come out in float32, whatever goes in
    "arcee_fusion": "its mask is float32",
    "ramplus_tl": "its factors are float32",
}
SMALL_EPSILON = {"ram": {"epsilon": 1e-5}, "ramplus_tl": {"epsilon": 1e-5}}

Model = dict[str, Tensor]


def model(seed: int, near: Model | None = None) -> Model:
    """Tensors of the usual sizes; `near` another, as a fine-tune is."""
    generator = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    return {name: near[name] + 0.1 * tensor for name, tensor in made.items()} if near else made


BASE = model(0)
ONE, TWO = model(1, BASE), model(2, BASE)


def merged(info: MethodInfo, models: list[Model], dtype: torch.dtype = torch.float32, **parameters: Any) -> Model:
    """`models` without the base, of which as many go in as the method takes."""
    has_base = info.base == "required"
    room = [most for most in (info.most and info.most - has_base, info.most_others) if most is not None]
    models = models[: min(room, default=None)]
    needed = {one.name: 0.5 for one in info.parameters if one.required}
    given = {name: value[: len(models)] if isinstance(value, list) else value for name, value in parameters.items()}
    inputs = [BASE if has_base else None, *models]
    register_with_mergekit("fast")
    torch.manual_seed(0)
    return merge_state_dicts(
        [{name: tensor.to(dtype) for name, tensor in one.items()} for one in inputs if one],
        info.name, parameters={**needed, **given}, base=0 if has_base else None,
    )  # fmt: skip


def same(found: Model, expected: Model, dtype: torch.dtype = torch.float32) -> bool:
    return all(
        torch.allclose(found[name].float(), tensor.to(dtype).float(), atol=CLOSE[dtype] * float(tensor.abs().max()))
        for name, tensor in expected.items()
    )


@every_dtype
@every_method
def test_a_model_merged_with_itself_is_itself(info: MethodInfo, dtype: torch.dtype) -> None:
    """What is trimmed, dropped, turned or averaged is nothing, or the same from every side."""
    if (info.name, dtype) in NOT_ITSELF:
        pytest.skip(NOT_ITSELF[info.name, dtype])
    assert same(merged(info, [BASE, BASE], dtype), BASE, dtype)


@every_dtype
@every_method
def test_it_gives_finite_tensors_of_the_same_kind(info: MethodInfo, dtype: torch.dtype) -> None:
    own = {**SOME, **SMALL_EPSILON.get(info.name, {})}
    given = {one.name: own[one.name] for one in info.parameters if one.name in own}
    found = merged(info, [ONE, TWO], dtype, **given)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == SHAPES
    kind = torch.float32 if info.name in WIDER else dtype
    assert all(tensor.dtype == kind and tensor.isfinite().all() for tensor in found.values())
    assert not same(found, BASE, dtype)


@weighted
def test_weights_1_and_0_give_the_first(info: MethodInfo) -> None:
    assert same(merged(info, [ONE, TWO], weight=[1.0, 0.0]), ONE)


@weighted
def test_weights_0_and_1_give_the_second(info: MethodInfo) -> None:
    assert same(merged(info, [ONE, TWO], weight=[0.0, 1.0]), TWO)


def test_task_arithmetic_with_one_whole_change_gives_that_model() -> None:
    info = catalogue.method("task_arithmetic")
    assert same(merged(info, [ONE], torch.float32, weight=[1.0], **{"lambda": 1.0}), ONE)


@pytest.mark.parametrize(("t", "end"), [(0.0, BASE), (1.0, ONE)])
def test_slerp_goes_from_end_to_end(t: float, end: Model) -> None:
    assert same(merged(catalogue.method("slerp"), [ONE], t=t), end)


@pytest.mark.parametrize("name", ["della", "dare_ties", "dare_linear", "della_linear"])
def test_what_draws_lots_does_so_by_torchs_seed(name: str) -> None:
    info = catalogue.method(name)
    first, again = (merged(info, [ONE, TWO], density=0.5) for _ in range(2))
    assert all(torch.equal(first[part], again[part]) for part in first)


def test_the_listing_is_that_of_the_installed_mergekit() -> None:
    register_with_mergekit("stock")
    asked = catalogue.ask_mergekit()
    mergekits = {one.spec.name for one in registered_methods() if not isinstance(one, Adapter)}
    asked["methods"] = [one for one in asked["methods"] if one["name"] in mergekits]
    assert asked == catalogue._listing(), "Run `python -m workbench.merging.catalogue`."


@pytest.mark.parametrize("name", sorted(set(METHODS.all()) & set(LISTED)))
def test_ours_take_what_mergekits_take(name: str) -> None:
    """The same settings with the same defaults, the same number of models: a recipe runs with either."""
    register_with_mergekit("fast")
    ours = {one["name"]: one for one in catalogue.ask_mergekit()["methods"]}[name]
    assert {**ours, "url": "", "title": ""} == {**LISTED[name], "url": "", "title": ""}


@every_method
def test_it_says_what_it_is_for(info: MethodInfo) -> None:
    assert 10 <= len(info.summary) <= 140 and info.summary.endswith(".") and "by mergekit" not in info.summary
    assert info.title.strip()


@every_method
def test_every_parameter_is_explained_in_a_sentence(info: MethodInfo) -> None:
    assert [one.name for one in info.parameters if not one.help.endswith(".") or one.help[0].islower()] == []


@every_method
def test_every_number_has_its_usual_range_around_the_default(info: MethodInfo) -> None:
    for one in info.parameters:
        if one.kind != "bool":
            assert one.low is not None and one.high is not None and one.low < one.high, one.name
            assert one.default is None or one.low <= one.default <= one.high, one.name


def test_the_notes_are_of_methods_and_parameters_there_are() -> None:
    notes = catalogue._notes()
    known = {name: {one["name"] for one in LISTED[name]["parameters"]} for name in set(LISTED) - set(METHODS.all())}
    assert set(notes["methods"]) == set(known)
    assert all(set(about["parameters"]) <= known[name] for name, about in notes["methods"].items())
    assert set(notes["parameters"]) <= set().union(*known.values())
