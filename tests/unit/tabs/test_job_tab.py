"""What the Merge and Compress tabs show of a job: words, what was made, and which buttons lead on."""

import json
from pathlib import Path
from typing import Any

import pytest

from tabs.compress.tab import COMPRESS
from tabs.forms.job_tab import JobTab
from tabs.merge.tab import MERGE
from tests.toys import toy_model
from workbench.core.home import Home
from workbench.jobs.events import JobState
from workbench.jobs.job import JOBS
from workbench.jobs.view import JobRecord

RECIPE = {"merge_method": "linear", "models": [{"model": "toy"}, {"model": "toy"}], "parameters": {"weight": 1}}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path)
    toy_model(home)
    return home


def record(home: Home, method: str, result: dict[str, Any], **settings: Any) -> JobRecord:
    folder = home.jobs / "job"
    folder.mkdir(parents=True, exist_ok=True)
    job = JOBS.parse({"method": method, **settings})
    return JobRecord("job", folder, job, JobState(status="done", result=result, has_status=True))


def test_a_merge_shows_its_proof_and_leads_to_its_recipe(home: Home) -> None:
    view = record(home, "merge", {"model": "toy"}, recipe=RECIPE, output="new")
    (view.folder / "proof.json").write_text(json.dumps({
        "warnings": ["It <forgot>."], "measured_on": "toy rows",
        "perplexity": {"toy": {"loss": 1.5, "perplexity": 4.48, "low": 4.0, "high": 5.0}},
        "samples": [{"prompt": "Hi", "answers": {"toy": "", "new": "Hello"}}],
    }))  # fmt: skip
    found = MERGE.result_of(home, view)
    for text in ("is-warn", "It &lt;forgot&gt;.", "On toy rows; lower is better", "4–5", "(empty)", "Hello"):
        assert text in found.html
    assert found.models == ["toy"] and found.leads_to == ("merge",)


def test_what_is_not_on_the_shelf_leads_nowhere(home: Home) -> None:
    view = record(home, "merge", {"model": "gone"}, recipe=RECIPE, output="new")
    assert (MERGE.result_of(home, view).models, MERGE.result_of(home, view).html) == ([], "")


@pytest.mark.parametrize("tab", [MERGE, COMPRESS], ids=lambda tab: tab.id)
def test_a_damaged_result_shows_nothing_and_breaks_nothing(home: Home, tab: JobTab) -> None:
    for method in tab.shown:
        view = JobRecord("job", home.jobs, None, JobState(status="done", result={"model": 3, "table": 5}))
        view.job = JOBS.get(method).model_construct()
        assert tab.result_of(home, view).models == []


def test_a_measurement_is_a_table_of_losses(home: Home) -> None:
    row = {"model": "toy", "loss": 1.25, "perplexity": 3.49}
    result = {"table": [row], "split": "eval", "dataset": "rows"}
    html = MERGE.result_of(home, record(home, "measure", result, models=["toy"], dataset="rows")).html
    assert "On the eval split of rows; lower is better" in html and "1.25" in html and "<td>—</td>" in html


def test_a_pruned_model_can_be_measured_and_healed(home: Home) -> None:
    result = {
        "model": "toy", "parameters": [100, 80], "bytes": [400, 320], "loss": [1.0, 1.2], "layers": [2, 1],
        "difference": {"loss": 0.2, "low": 0.1, "high": 0.3}, "measured": {"tokens": 50, "rows": 4},
    }  # fmt: skip
    found = COMPRESS.result_of(home, record(home, "prune", result, model="toy", pruner={"method": "layers"}))
    assert found.leads_to == ("cost", "train") and found.original == "toy" and found.tuner == ""
    assert "The loss changed by +0.200 (+0.100 to +0.300), on 50 tokens" in found.html


def test_parity_shows_where_both_part(home: Home) -> None:
    difference = {"prompt": "Hi", "token": 3, "gap": 0.5, "before": "b" * 90, "source": " one", "gguf": " two"}
    result = {"sentences": ["They part."], "source": "toy", "model": "toy-q8", "differences": [difference]}
    view = record(home, "parity", result, model="toy-q8", source="toy")
    html = COMPRESS.result_of(home, view).html
    assert "<li>They part.</li>" in html and f"… {'b' * 60} two" in html and "From token 3 on" in html
