"""What every maker promises: rows that add up, tell where they came from, and are the same when made again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.test_methods import bounds, example, settings
from tests.endpoint_server import KEY, last, serving
from tests.running import run, wrong_with
from tests.toys import conversations
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.spec import load_yaml
from workbench.data.store.datasets import all_rows, dataset_manifest, write_rows
from workbench.rows.canonical import check_row
from workbench.synthesis.generator import MAKERS, Maker
from workbench.synthesis.jobs.make_data import MakeData
from workbench.synthesis.prompts import VARIABLES, get_prompt

every_maker = pytest.mark.parametrize("maker", list(MAKERS), ids=lambda maker: maker.method)
ASKED = ["Why do zebras have stripes?", "How do banks earn money?", "Where did chess begin?", "When does bread rise?"]


def model(body: dict[str, Any], number: int) -> str:
    """A model that does whatever it is asked, differently for every seed."""
    text, seed = last(body), body["seed"]
    new = " ".join(f"{seed * n % 99991:x}" for n in range(2, 12))
    return (
        "Not equal"
        if "'Equal'" in text
        else f"1. Tell of {new}.\n2. Say {new[::-1]}."
        if "Task 1" in text
        else f"Of {new}"
    )


@pytest.fixture
def home(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    made = Home.at(own_home)
    rows = conversations(4)
    for row, text in zip(rows, ASKED, strict=True):
        row["messages"][0]["content"] = text
    write_rows(made, "talks", "conversation", rows)
    with serving(model) as server:
        for name, value in (("URL", server.url), ("MODEL", "big"), ("KEY", KEY)):
            monkeypatch.setenv(f"WORKBENCH_ENDPOINT_{name}", value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield made


def job(made_by: type[Maker], **more: Any) -> MakeData:
    settings = {"method": made_by.method, **({"examples": 3} if made_by.method == "self_instruct" else {})}
    common = {"maker": settings, "dataset": "talks", "output": "made", "limit": 4, "batch_size": 3}
    return MakeData.parse({**common, **more})


def folder_of(home: Home) -> Path:
    return home.datasets / "made"


@every_maker
def test_it_makes_canonical_rows_that_tell_where_they_came_from(home: Home, maker: type[Maker]) -> None:
    result = run(home, job(maker))
    rows = all_rows(home, "made")
    assert 0 < len(rows) == result["kept"] <= 4
    ended = result["kept"] + sum(result["failed"].values()) + sum(result["dropped"].values())
    assert result["asked"] == ended and result["unfinished"] == 0
    for row in rows:
        assert check_row("conversation", row) == row
        metadata = row["metadata"]
        assert metadata["made_by"] == maker.method and metadata["model"] == "endpoint:big"
        assert metadata["seed"]["dataset"] == "talks" and {*metadata["seed"]["rows"]} <= {0, 1, 2, 3}
        assert metadata["sampling"]["seed"] >= 0 and metadata["operation"]
        assert get_prompt(metadata["prompt"]["template"]).digest == metadata["prompt"]["digest"]
    manifest = dataset_manifest(home, "made")
    assert [parent.name for parent in manifest.parents] == ["talks"]
    assert manifest.info["making"] == {key: value for key, value in result.items() if key != "dataset"}


@every_maker
def test_the_same_seed_makes_the_same_rows_and_another_one_others(home: Home, maker: type[Maker]) -> None:
    made = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        run(home, job(maker, output=name, seed=seed))
        made.append(all_rows(home, name))
    assert made[0] == made[1] and made[0] != made[2]


@every_maker
def test_without_answers_it_makes_prompts_or_says_that_it_cannot(home: Home, maker: type[Maker]) -> None:
    asked = job(maker, answers=False)
    if not maker.makes_prompts:
        assert "makes nothing without answers" in wrong_with(home, asked)
        return
    run(home, asked)
    assert all(check_row("prompts", row) == row for row in all_rows(home, "made"))


@every_maker
def test_its_templates_are_there_and_an_own_text_is_checked(home: Home, maker: type[Maker]) -> None:
    for name in maker().templates():
        assert name in VARIABLES or name.split("_")[0] in VARIABLES
        assert get_prompt(name).text
    wrong = job(maker, maker={"method": maker.method, "template": "{{ nothing_known }}"})
    assert "'nothing_known', which it is not given" in wrong_with(home, wrong)


@every_maker
def test_it_describes_itself_and_its_settings(maker: type[Maker]) -> None:
    assert maker.title[0].isupper() and 10 < len(maker.summary()) < 140 and maker.summary().endswith(".")
    found = settings(maker)
    assert [name for name, info in found.items() if not (info.description or "").endswith(".")] == []
    numbers = {name: info for name, info in found.items() if info.annotation in (int, float)}
    assert [name for name, info in numbers.items() if None in bounds(info)] == []
    assert MAKERS.parse(load_yaml(example(maker).to_yaml())) == example(maker)
    assert MAKERS.get(maker.method) is maker


def test_an_unknown_maker_is_told_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean self_instruct"):
        MakeData.parse({"dataset": "talks", "maker": "self_instructs"})
