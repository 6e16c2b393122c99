"""Two real LoRA runs of the starter model, two skills; merged, the one model has both."""

import itertools
from typing import Any

import pytest

from workbench.cli.jobs import run_here
from workbench.core.home import Home
from workbench.data.recipes.importing import import_sample
from workbench.data.store.datasets import write_rows
from workbench.jobs.job import JOBS
from workbench.models import starter

pytestmark = [pytest.mark.timeout(900), pytest.mark.prove]
PEOPLE = ["Ann", "Boris", "Chen", "Dora", "Emil", "Fatma", "Goran", "Hana"]
THINGS = ["a red bicycle", "two lamps", "an old map", "three chairs", "a green kettle", "a violin"]
PLACES = ["Lisbon", "Oslo", "Cairo", "Quito", "Seoul"]


def orders() -> list[dict[str, Any]]:
    """Sentences about orders, answered by a line of JSON: a skill that has nothing to do with the sample data's."""
    rows = []
    for number, (person, thing, place) in enumerate(itertools.product(PEOPLE, THINGS, PLACES)):
        asked = f"{person} from {place} ordered {thing} on day {number % 28 + 1}."
        record = f'{{"customer": "{person}", "item": "{thing}", "city": "{place}", "day": {number % 28 + 1}}}'
        rows.append({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": record}]})
    return rows[:: len(PLACES) - 1] + rows[1 :: len(PLACES) - 1]


def job(home: Home, method: str, **settings: Any) -> dict[str, Any]:
    return run_here(home, JOBS.parse({"method": method, **settings}))


@pytest.fixture(scope="module")
def home(starter_home: Home) -> Home:
    """The starter model and an adapter for each skill."""
    import_sample(starter_home)
    rows = orders()
    write_rows(starter_home, "orders", "conversation", rows[24:], rows[:24])
    for dataset in ("field-guide", "orders"):
        job(
            starter_home, "train", model=starter.STARTER_NAME, dataset=dataset, output=f"skill-{dataset}", max_steps=16,
            max_length=256, batch_size=4, eval_every=1000, checkpoint_every=1000,
            objective={"method": "sft", "learning_rate": 1e-3},
        )  # fmt: skip
    return starter_home


def losses(home: Home, models: list[str], dataset: str) -> dict[str, float]:
    found = job(home, "measure", models=models, dataset=dataset, rows=24, max_length=256)
    return {row["model"]: row["loss"] for row in found["table"]}


def test_the_merged_model_has_both_skills(home: Home) -> None:
    adapters = ["skill-field-guide", "skill-orders"]
    recipe = {
        "merge_method": "task_arithmetic",
        "base_model": starter.STARTER_NAME,
        "models": [{"model": name, "parameters": {"weight": 0.8}} for name in adapters],
        "dtype": "float32",
        "out_dtype": "bfloat16",
    }
    made = job(home, "merge", output="both-skills", recipe=recipe, proof={"prompts": 2, "tokens": 24})
    assert made["model"] == "both-skills" and not made["warnings"]
    for own, other, dataset in zip(adapters, reversed(adapters), ("field-guide", "orders"), strict=True):
        found = losses(home, [starter.STARTER_NAME, own, other, "both-skills"], dataset)
        print(dataset, found)
        assert found["both-skills"] < found[starter.STARTER_NAME]
        assert found["both-skills"] < found[other]
        assert found[own] < found[starter.STARTER_NAME]
