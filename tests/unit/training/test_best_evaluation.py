"""The best evaluation of a history, and how long a run has waited for a better one."""

import math
from typing import Any

import pytest

from workbench.training.best_evaluation import METRICS, best_so_far, kept_sentences

LOSS, MARGIN = METRICS["loss"], METRICS["margin"]


def history(*values: float, key: str = "eval_loss", first_step: int = 10) -> list[dict[str, Any]]:
    """A trainer's history: train losses, and an evaluation at every tenth step."""
    entries: list[dict[str, Any]] = []
    for number, value in enumerate(values):
        step = first_step + 10 * number
        entries += [{"step": step, "loss": 1.0}, {"step": step, key: value}]
    return entries


def test_the_lowest_loss_is_the_best_and_the_first_of_equal_ones() -> None:
    stand = best_so_far(history(2.0, 1.5, 1.7, 1.5), LOSS)
    assert (stand.best_step, stand.best, stand.last_step, stand.last, stand.waited) == (20, 1.5, 40, 1.5, 2)


def test_the_largest_margin_is_the_best() -> None:
    stand = best_so_far(history(0.1, 0.4, 0.2, key="eval_rewards/margins"), MARGIN)
    assert (stand.best_step, stand.best, stand.waited) == (20, 0.4, 1)


def test_an_improvement_that_is_too_small_is_the_best_and_still_waited_for() -> None:
    stand = best_so_far(history(2.0, 1.95, 1.9, 1.85), LOSS, least_improvement=0.1)
    assert (stand.best_step, stand.best, stand.waited) == (40, 1.85, 3)
    assert best_so_far(history(2.0, 1.85), LOSS, least_improvement=0.1).waited == 0


def test_the_evaluation_before_training_and_numbers_that_are_none_are_no_candidates() -> None:
    stand = best_so_far(history(0.5, 2.0, math.nan, 1.9, first_step=0), LOSS)
    assert (stand.before, stand.best_step, stand.last_step, stand.waited) == (0.5, 30, 30, 0)
    assert not best_so_far(history(0.5, first_step=0), LOSS).found and not best_so_far([], LOSS).found


def test_a_history_in_two_parts_stands_as_in_one() -> None:
    whole = history(2.0, 1.5, 1.7, 1.6, 1.8)
    for cut in range(len(whole)):
        assert best_so_far([*whole[:cut], *whole[cut:]], LOSS) == best_so_far(whole, LOSS)
    assert [best_so_far(whole[: 2 * count], LOSS).waited for count in range(1, 6)] == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("values", "stopped_after", "expected"),
    [
        ((1.5, 1.31, 1.36, 1.38), 2, ["Stopped early at step 40: 2 evaluations without improvement.",
                                      "Kept the weights of step 20, eval loss 1.31; step 40 had 1.38."]),
        ((1.5, 1.31), 0, ["Kept the weights of step 20, eval loss 1.31."]),
    ],
)  # fmt: skip
def test_what_was_kept_is_said_with_the_reason(
    values: tuple[float, ...], stopped_after: int, expected: list[str]
) -> None:
    assert kept_sentences(best_so_far(history(*values), LOSS), LOSS, stopped_after) == expected


def test_a_run_that_only_made_it_worse_is_told_so() -> None:
    told = kept_sentences(best_so_far(history(1.0, 1.5, 1.4, first_step=0), LOSS), LOSS)
    assert "Before training it was 1" in told[-1] and "taught the model nothing" in told[-1]
