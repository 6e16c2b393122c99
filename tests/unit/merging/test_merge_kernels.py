"""TIES, DARE-TIES and DELLA of our own: worked out by hand, against mergekit's, and by their statistics."""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from mergekit.merge_methods import merge_tensors
from mergekit.sparsify import RescaleNorm, della_magprune
from torch import Tensor

from workbench.core.errors import UserError
from workbench.merging import _task_vectors
from workbench.merging.mergekit_bridge import register_with_mergekit
from workbench.merging.method import METHODS

BASE = torch.ones(2, 3)
# what the two fine-tunes changed
ONE = torch.tensor([[4.0, -1.0, 2.0], [-3.0, 0.5, 1.0]])
TWO = torch.tensor([[-5.0, 0.5, 3.0], [1.0, 0.25, -6.0]])
NAMES = ("dare_ties", "della", "ties")


def merged(name: str, tensors: list[Tensor], kernels: Any = "fast", **parameters: Any) -> Tensor:
    """By mergekit's own way in; the first tensor is the base."""
    register_with_mergekit(kernels)
    return merge_tensors(tensors, name, parameters=parameters, base_index=0)


def by_hand(name: str, **parameters: Any) -> Tensor:
    """What is added to the base for weights 1 and 0.5 and density 0.5."""
    given = {"weight": [1.0, 0.5], "density": 0.5, **parameters}
    return merged(name, [BASE, BASE + ONE, BASE + TWO], **given) - BASE


def drawing(monkeypatch: pytest.MonkeyPatch, levels: list[int]) -> None:
    """Makes chance draw these levels, of 0 to 65535, for every block."""
    fixed = torch.tensor(levels) - _task_vectors.LEVELS // 2
    monkeypatch.setattr(_task_vectors, "random_levels", lambda device: lambda part: fixed)


def noisy(shape: tuple[int, ...], count: int, dtype: torch.dtype = torch.float32, grid: int = 0) -> list[Tensor]:
    """A base and `count` models near it; with a `grid`, changes of few different sizes."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(shape, generator=generator).to(dtype)
    changes = [torch.randn(shape, generator=generator) for _ in range(count)]
    return [base, *(base + ((change * grid).round() / grid if grid else change).to(dtype) for change in changes)]


def near_rate(kept: int, count: int, chance: float) -> bool:
    """Whether so many of `count` stay with this chance, but for a case in a million."""
    return abs(kept - count * chance) <= 5 * math.sqrt(count * chance * (1 - chance)) + 1


def test_ties_by_hand() -> None:
    # half of 6 stay, the largest: ONE keeps 4, 2, -3; TWO keeps -5, 3, -6, with its weight -2.5, 1.5, -3
    # at [0, 0] 4 against -2.5: only ONE counts; at [0, 2] both agree: 2 + 1.5
    summed = torch.tensor([[4.0, 0.0, 3.5], [-3.0, 0.0, -3.0]])
    assert torch.allclose(by_hand("ties", normalize=False), summed)
    # divided by the weights that count: 1, none, 1.5 / 1, none, 0.5; and half of that
    mean = torch.tensor([[4.0, 0.0, 3.5 / 1.5], [-3.0, 0.0, -6.0]])
    assert torch.allclose(by_hand("ties", **{"lambda": 0.5}), mean / 2)


def test_ties_rescaled_by_hand() -> None:
    # magnitudes: ONE 11.5, of which 9 stay; TWO 15.75, of which 14 stay
    one, two = 11.5 / 9, 15.75 / 14
    expected = torch.tensor([[4 * one, 0.0, 2 * one + 1.5 * two], [-3 * one, 0.0, -3 * two]])
    assert torch.allclose(by_hand("ties", normalize=False, rescale=True), expected)


def test_dare_ties_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, [0, 65535, 32767, 32768, 100, 40000])  # below 32768 = density · 65536 stays: 1st, 3rd, 5th
    # ONE keeps 4, 2, 0.5 of 11.5; TWO keeps -5, 3, 0.25 of 15.75
    one, two = 11.5 / 6.5, 15.75 / 8.25
    # at [0, 0] 7.08 against -4.77: only ONE counts
    expected = torch.tensor([[4 * one, 0.0, 2 * one + 1.5 * two], [0.0, 0.5 * one + 0.125 * two, 0.0]])
    assert torch.allclose(by_hand("dare_ties"), expected)


def test_della_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # the chances in a row are 0.25, 0.5, 0.75: luck below 16384 always stays, from 49152 on never; between them its
    # first half must beat the smallest of the row, the other half the middle one
    drawing(monkeypatch, [20_000, 20_000, 20_000, 40_000, 40_000, 40_000])
    # ONE keeps 4, 2 and -3: 9 of 11.5; TWO keeps -5, 3 and -6: 14 of 15.75
    one, two = 11.5 / 9, 15.75 / 14
    summed = torch.tensor([[4 * one, 0.0, 2 * one + 1.5 * two], [-3 * one, 0.0, -3 * two]])
    assert torch.allclose(by_hand("della", epsilon=0.25, normalize=False), summed)
    weights = torch.tensor([[1.0, 1.0, 1.5], [1.0, 1.0, 0.5]])
    assert torch.allclose(by_hand("della", epsilon=0.25), summed / weights)
    drawing(monkeypatch, [0, 0, 0, 49_152, 65_535, 60_000])
    only = by_hand("della", epsilon=0.25, weight=[1.0, 0.0], rescale=False)
    assert torch.equal(only, torch.stack((ONE[0], torch.zeros(3))))


CASES = list(
    itertools.product(
        (torch.float32, torch.bfloat16, torch.float16),
        (((5, 7, 3), 2), ((64, 48), 3), ((300,), 1), ((33, 5), 6), ((1,), 2), ((0, 4), 2)),
        (0, 2),
    )
)
SETTINGS: list[dict[str, Any]] = [
    {},
    {"normalize": False, "rescale": True},
    {"rescale": True, "int8_mask": True, "lambda": 0.6},
]


@pytest.mark.parametrize("block", [2**17, 64], ids=["whole", "blocks"])
def test_ties_equals_mergekit_bit_by_bit(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """With the sort of a processor that keeps the order of equal magnitudes; fast ones do not, see below."""
    monkeypatch.setattr(_task_vectors, "BLOCK_VALUES", block)
    argsort = torch.argsort
    monkeypatch.setattr(torch, "argsort", lambda values, **options: argsort(values, stable=True, **options))
    weights = [0.5, -0.7, 1.3, 0.2, 0.9, 0.1]
    for (dtype, (shape, count), grid), density, settings in itertools.product(CASES, (0.0, 0.3, 0.77, 1.0), SETTINGS):
        tensors = noisy(shape, count, dtype, grid)
        given = {"weight": weights[:count], "density": density, **settings}
        expected, found = merged("ties", tensors, "stock", **given), merged("ties", tensors, **given)
        assert torch.equal(expected, found), (dtype, shape, count, grid, density, settings)


def test_ties_equals_mergekit_as_it_is_where_no_magnitudes_are_equal() -> None:
    tensors = noisy((200, 300), 3)
    given = {"weight": [0.4, 0.3, 0.3], "density": [0.2, 0.5, 0.9]}
    assert torch.equal(merged("ties", tensors, "stock", **given), merged("ties", tensors, **given))


def test_ties_differs_from_mergekit_only_at_the_threshold() -> None:
    base, other = noisy((200, 300), 1, torch.bfloat16, grid=8)
    change = other - base
    stock, ours = (merged("ties", [base, other], kernels, weight=1.0, density=0.4) for kernels in ("stock", "fast"))
    threshold = change.abs().flatten().float().sort(descending=True).values[int(0.4 * change.numel()) - 1]
    assert bool((change[stock != ours].abs() == threshold).all())
    assert int((stock != base).sum()) == int((ours != base).sum())


def test_ties_keeps_the_first_of_equal_magnitudes() -> None:
    other = torch.tensor([1.0, -1.0, 2.0, 1.0, 1.0])
    found = merged("ties", [torch.zeros(5), other], weight=1.0, density=0.6)
    assert found.tolist() == [1.0, -1.0, 2.0, 0.0, 0.0]


def test_ties_rescales_what_overflows_half_precision() -> None:
    base, other = torch.zeros(400, 1000, dtype=torch.float16), torch.ones(400, 1000, dtype=torch.float16)
    other[:, ::2] = 0.5
    found = merged("ties", [base, other], weight=1.0, density=0.5, rescale=True)
    assert torch.allclose(found[:, 1::2], torch.tensor(1.5, dtype=torch.float16)) and not found[:, ::2].any()


@pytest.mark.parametrize("density", [0.9, 0.5, 0.1])
def test_dare_keeps_the_share_and_the_sum(density: float) -> None:
    base, other = noisy((700, 900), 1)
    torch.manual_seed(1)
    found = merged("dare_ties", [base, other], weight=1.0, density=density)
    change, kept = other - base, found != base
    assert near_rate(int(kept.sum()), kept.numel(), density)
    assert math.isclose(float((found - base).abs().sum()), float(change.abs().sum()), rel_tol=1e-3)
    assert torch.allclose((found - base)[kept], change[kept] / density, rtol=0.05, atol=1e-3)


def test_every_block_draws_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_task_vectors, "BLOCK_VALUES", 1000)
    found = merged("dare_ties", [torch.zeros(4, 1000), torch.ones(4, 1000)], weight=1.0, density=0.5)
    agree = (found[:1] != 0) == (found[1:] != 0)
    assert all(near_rate(int(row.sum()), 1000, 0.5) for row in agree)


def rates(kept: Tensor, change: Tensor) -> list[int]:
    """How many of each rank of magnitude stay, over all rows."""
    order = change.abs().argsort(dim=1)
    return [int(count) for count in kept.gather(1, order).sum(0)]


def test_della_keeps_by_rank_as_mergekit_does() -> None:
    density, epsilon, rows, columns = 0.4, 0.3, 4000, 30
    change = noisy((rows, columns), 1)[0]
    torch.manual_seed(2)
    ours = merged("della", [torch.zeros_like(change), change], weight=1.0, density=density, epsilon=epsilon) != 0
    stock = della_magprune(change, density, epsilon, RescaleNorm.l1) != 0
    for rank, (our, their) in enumerate(zip(rates(ours, change), rates(stock, change), strict=True)):
        chance = density - epsilon + 2 * epsilon * rank / (columns - 1)
        assert near_rate(our, rows, chance) and near_rate(their, rows, chance), rank


def test_della_is_fair_to_equal_magnitudes() -> None:
    change = torch.ones(2000, 40)
    change[:, ::2] = -1
    found = merged("della", [torch.zeros_like(change), change], weight=1.0, density=0.3, epsilon=0.2) != 0
    assert near_rate(int(found.sum()), found.numel(), 0.3)
    assert all(near_rate(int(column.sum()), 2000, 0.3) for column in found.T)


@pytest.mark.parametrize("shape", [(5000,), (5000, 1), (100, 10, 5)])
def test_della_takes_tensors_of_any_shape(shape: tuple[int, ...]) -> None:
    change = noisy(shape, 1)[0]
    found = merged("della", [torch.zeros_like(change), change], weight=1.0, density=0.6, epsilon=0.2, rescale=False)
    assert near_rate(int((found != 0).sum()), change.numel(), 0.6)
    assert bool(((found == change) | (found == 0)).all())


@pytest.mark.parametrize(("density", "epsilon"), [(0.9, 0.15), (0.1, 0.15), (0.5, 0.5)])
def test_della_refuses_chances_that_are_none(density: float, epsilon: float) -> None:
    with pytest.raises(UserError) as caught:
        by_hand("della", density=density, epsilon=epsilon)
    assert caught.value.field == "epsilon" and f"below {min(density, 1 - density):g}" in caught.value.remedy


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_bits_whatever_the_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_task_vectors, "BLOCK_VALUES", 500)
    tensors, threads = noisy((60, 80), 2), torch.get_num_threads()

    def run(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return merged(name, tensors, weight=0.5, density=0.5)

    first = run(3)
    assert torch.equal(first, run(3)) and torch.equal(first, run(4)) == (name == "ties")
    with ThreadPoolExecutor(1) as new:
        assert torch.get_num_threads() == new.submit(torch.get_num_threads).result() == threads
    torch.set_num_threads(1)
    try:
        assert torch.equal(first, run(3))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", NAMES)
def test_the_models_are_left_as_they_were(name: str) -> None:
    tensors = noisy((30, 40), 2)
    copies = [tensor.clone() for tensor in tensors]
    merged(name, tensors, weight=0.5, density=0.5)
    assert all(map(torch.equal, tensors, copies))


@pytest.mark.parametrize("name", NAMES)
def test_density_0_and_no_model_give_the_base(name: str) -> None:
    tensors = noisy((6, 7), 2)
    assert torch.equal(merged(name, tensors, weight=1.0, density=0.0), tensors[0])
    assert torch.equal(merged(name, tensors[:1]), tensors[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_go_through_yaml_by_the_names_of_mergekit(name: str) -> None:
    given = METHODS.parse({"method": name, "weight": 0.5, "lambda": 0.7})
    assert given.to_dict()["lambda"] == 0.7 and METHODS.parse(given.to_dict()) == given


def test_ours_stand_in_for_mergekits_and_go_again() -> None:
    from mergekit.merge_methods.registry import _METHODS as known

    names = list(known)
    register_with_mergekit("stock")
    stock = dict(known)
    for _ in range(2):
        register_with_mergekit("fast")
        assert {name for name in stock if known[name] is not stock[name]} == set(METHODS.all()) & set(stock)
    register_with_mergekit("stock")
    assert known == stock and list(known) == names


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_same_statistics(name: str) -> None:
    base, other = noisy((700, 900), 1)
    found = merged(name, [base.cuda(), other.cuda()], weight=1.0, density=0.4).cpu()
    assert near_rate(int((found != base).sum()), base.numel(), 0.4)
    if name == "ties":
        assert torch.equal(found, merged(name, [base, other], weight=1.0, density=0.4))
