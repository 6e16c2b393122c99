"""The whole loop on the real starter model, as `python -m workbench demo` runs it, and that it really improves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.data.recipes.importing import import_sample
from workbench.data.store.datasets import all_rows
from workbench.models import starter
from workbench.models.shelf import model_info
from workbench.rendering.rendered import Tokenizer, render
from workbench.rendering.templates import get_template

pytestmark = pytest.mark.timeout(3000)  # the demo shares two cores with another proof
ROOT = Path(__file__).resolve().parents[2]


def test_the_starter_model_is_whole(starter_home: Home) -> None:
    info = model_info(starter_home, starter.STARTER_NAME)
    assert (info.parameters, info.dtype, info.architecture) == (134_515_008, "bfloat16", "LlamaForCausalLM")
    assert get_template("model", info.folder).text.count("<|im_start|>") > 0


def test_what_the_page_shows_is_what_transformers_makes(starter_home: Home) -> None:
    """Ids of the first 40 sample rows equal what transformers makes of them; the answer is what is learned."""
    from transformers import AutoTokenizer

    import_sample(starter_home)
    folder = starter_home.models / starter.STARTER_NAME
    theirs, ours, template = (
        AutoTokenizer.from_pretrained(folder),
        Tokenizer.load(folder),
        get_template("model", folder),
    )
    for row in all_rows(starter_home, "field-guide")[:40]:
        rendered = render(row["messages"], ours, template)
        assert rendered.ids == list(theirs.apply_chat_template(row["messages"], return_dict=False))
        learned = "".join(piece for piece, trained in zip(rendered.pieces, rendered.trained, strict=True) if trained)
        assert learned == "".join(
            f"{turn['content']}<|im_end|>" for turn in row["messages"] if turn["role"] == "assistant"
        )


@pytest.fixture(scope="module")
def figures(starter_home: Home) -> dict[str, Any]:
    command = [sys.executable, "-m", "workbench", "demo", "--json", "--keep", str(starter_home.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=2700)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.prove
def test_training_lowers_the_loss_on_unseen_rows(figures: dict[str, Any]) -> None:
    assert figures["sft"]["eval_loss_last"] < figures["sft"]["eval_loss_first"] - 0.5
    assert figures["dpo"]["eval_loss_last"] < figures["dpo"]["eval_loss_first"] - 0.05
    # few pairs are held out, so that how wide their margin is says little; which way it points says something
    assert figures["dpo"]["eval_rewards/margins"] > 0


@pytest.mark.prove
def test_the_tuned_model_beats_the_base(figures: dict[str, Any]) -> None:
    assert figures["tuned_over_base"]["low"] > 0.5


@pytest.mark.prove
def test_dpo_beats_the_tuned_model(figures: dict[str, Any]) -> None:
    assert figures["dpo_over_tuned"]["rate"] > 0.5


@pytest.mark.prove
def test_the_lineage_leads_from_the_last_adapter_to_the_sample_data(
    figures: dict[str, Any], starter_home: Home
) -> None:
    adapter = read_manifest(starter_home.models / "field-guide-dpo")
    assert {parent.role: parent.name for parent in adapter.parents} == {
        "base": starter.STARTER_NAME,
        "dataset": "own-answers-pairs",
        "start": "field-guide-sft",
    }
    pairs = read_manifest(starter_home.datasets / "own-answers-pairs")
    assert "own-answers" in [parent.name for parent in pairs.parents]
    tuned = read_manifest(starter_home.models / "field-guide-sft")
    assert tuned.parent("dataset").name == "field-guide"  # type: ignore[union-attr]
    assert all(parent.digest for parent in [*adapter.parents, *tuned.parents])
