"""Alarms of a training run: what sets them off, what does not, and that each speaks once."""

import random

import pytest

from workbench.training.alarms import Alarm, Alarms, Runaway

ROWS = ["Tell me of the oak."]


def raised(values: list[dict[str, float]], alarms: Alarms | None = None) -> list[Alarm]:
    alarms = alarms or Alarms(lambda: ROWS)
    return [alarm for step, entry in enumerate(values, start=1) for alarm in alarms.after(step, entry)]


def test_a_loss_that_runs_away_is_said_once() -> None:
    notices = Runaway()
    falling = [4.0 - 0.1 * step for step in range(20)]
    rising = [2.0 + 0.5 * step for step in range(20)]
    said = [notices.after(loss, step) for step, loss in enumerate([*falling, *rising], start=1)]
    assert len([one for one in said if one]) == 1
    text = next(one for one in said if one)
    assert "The loss runs away" in text and "around step 2" in text and "learning rate" in text


@pytest.mark.parametrize(
    "losses", [[0.7, 0.1, 0.6, 0.05, 0.7] * 8, [8.0 - 0.1 * step for step in range(60)], [2.0, 3.9] * 20]
)
def test_an_uneven_loss_is_no_runaway(losses: list[float]) -> None:
    notices = Runaway()
    assert not any(notices.after(loss, step) for step, loss in enumerate(losses, start=1))


def noisy(count: int, level: float = 2.0, noise: float = 0.1, seed: int = 1) -> list[dict[str, float]]:
    draw = random.Random(seed)
    return [{"loss": level + draw.gauss(0, noise)} for _ in range(count)]


def test_a_spike_is_said_with_its_step_and_the_rows_of_its_batch() -> None:
    (alarm,) = raised([*noisy(15), {"loss": 9.0}, *noisy(15, seed=2)])
    assert (alarm.kind, alarm.step) == ("spike", 16)
    assert "jumps to 9" in alarm.text and ROWS[0] in alarm.text


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.5])
def test_noise_of_any_width_is_no_spike(noise: float) -> None:
    assert raised(noisy(400, noise=noise)) == []


def test_the_sixth_spike_is_not_said() -> None:
    values = [entry for round_ in range(8) for entry in (*noisy(10, seed=round_), {"loss": 8.0})]
    assert len([alarm for alarm in raised(values) if alarm.kind == "spike"]) == 5


def evaluations(losses: list[float], accuracies: list[float] | None = None) -> list[dict[str, float]]:
    values: list[dict[str, float]] = []
    for number, loss in enumerate(losses):
        values += [{"loss": 3.0 - 0.1 * number}] * 5
        values.append({"eval_loss": loss, **({"eval_token_accuracy": accuracies[number]} if accuracies else {})})
    return values


def test_an_eval_loss_that_rises_while_training_falls_is_overfitting() -> None:
    (alarm,) = raised(evaluations([2.0, 1.8, 1.9, 2.0, 2.1, 2.2, 2.3]))
    assert (alarm.kind, alarm.step) == ("overfitting", 30)
    assert "from 1.8 at step 12 to 2.1" in alarm.text


def test_with_an_accuracy_that_stands_it_is_overconfidence() -> None:
    (alarm,) = raised(evaluations([1.8, 1.9, 2.0, 2.1], [0.6, 0.61, 0.6, 0.62]))
    assert alarm.kind == "overconfidence" and "62.0%" in alarm.text
    (alarm,) = raised(evaluations([1.8, 1.9, 2.0, 2.1], [0.6, 0.58, 0.55, 0.5]))
    assert alarm.kind == "overfitting"


@pytest.mark.parametrize("losses", [[2.0, 1.9, 1.91, 1.9, 1.905, 1.9], [2.0, 2.1, 2.2, 1.9, 2.0, 2.1], [2.0] * 9])
def test_an_uneven_evaluation_is_no_overfitting(losses: list[float]) -> None:
    assert raised(evaluations(losses)) == []


def test_a_resumed_run_remembers_and_says_nothing_of_what_was() -> None:
    values = evaluations([2.0, 1.8, 1.9, 2.0, 2.1, 2.2])
    history = [{**entry, "step": step} for step, entry in enumerate(values[:27], start=1)]
    resumed = Alarms(lambda: ROWS)
    resumed.remember(history)
    after = [alarm for step, entry in enumerate(values[27:], start=28) for alarm in resumed.after(step, entry)]
    assert [(alarm.kind, alarm.step) for alarm in after] == [("overfitting", 30)]
