"""Loss and perplexity: against logits by hand, with adapters, and as a job."""

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from tests.running import context
from tests.toys import EXACT, conversations, toy_adapter, toy_dataset, toy_model, toy_pairs
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.store.datasets import write_rows
from workbench.data.store.prompts import built_in_prompts, held_out_prompts
from workbench.inference.jobs.measure import Measure
from workbench.inference.loss import Loss, batch_indices, difference, encode, loss_of, measured_rows
from workbench.jobs.job import JobStopped
from workbench.merging import sanity_check
from workbench.models.loading import load_base
from workbench.models.model_references import resolve

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """'taught' has learnt the answers of 'lessons', 'toy' nothing; 'loud' is an adapter of toy."""
    made = Home.at(tmp_path_factory.mktemp("measure"))
    toy_model(made)
    toy_model(made, "taught", lessons=60)
    toy_adapter(made, "loud")
    toy_dataset(made)
    toy_pairs(made)
    write_rows(made, "lessons", "conversation", conversations(20, "It is so."))
    return made


def measured(home: Home, name: str, rows: list[dict[str, Any]], kind: str = "conversation") -> Loss:
    found = resolve(home, name)
    return loss_of(load_base(found.base, EXACT).eval(), encode(found, rows, kind))


# ---- the number --------------------------------------------------------------------------------------------


def test_the_loss_is_that_of_the_answers_tokens_alone(home: Home) -> None:
    (row,) = conversations(1)
    question, answer = (message["content"] for message in row["messages"])
    folder = home.models / "toy"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    before = tokenizer.encode(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n").ids
    learnt = tokenizer.encode(f"{answer}<|im_end|>").ids
    ids = torch.tensor([before + learnt])
    with torch.no_grad():
        chances = load_base(folder, EXACT).eval()(input_ids=ids).logits[0].log_softmax(-1)
    by_hand = [-chances[len(before) + place - 1, token].item() for place, token in enumerate(learnt)]
    loss = measured(home, "toy", [row])
    assert loss.tokens == len(learnt) and loss.rows == 1
    assert loss.loss == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-5)
    assert loss.perplexity == pytest.approx(math.exp(loss.loss))


def test_of_a_text_all_tokens_but_the_first_count(home: Home) -> None:
    text = "The red apple is two years old."
    tokenizer = Tokenizer.from_file(str(home.models / "toy" / "tokenizer.json"))
    loss = measured(home, "toy", [{"text": text}], "text")
    assert loss.tokens == len(tokenizer.encode(text).ids)  # the end of text makes up for the first


def test_padding_and_batches_change_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*conversations(5), {"messages": [*conversations(1)[0]["messages"], *conversations(2)[1]["messages"]]}]
    together = measured(home, "toy", rows)
    monkeypatch.setattr("workbench.inference.loss.BATCH_ROWS", 1)
    alone = measured(home, "toy", rows)
    assert np.allclose(together.nll, alone.nll, rtol=1e-4) and np.array_equal(together.counts, alone.counts)


def test_batches_hold_rows_of_like_length_within_the_memory() -> None:
    lengths = [3, 900, 5, 880, 4]
    made = list(batch_indices(lengths, 100_000))
    assert sorted(place for batch in made for place in batch) == [0, 1, 2, 3, 4]
    assert made[0] == [1]  # 900 × 100 000 × 4 bytes leave no room for a second row
    assert len(list(batch_indices([10] * 130, 400))) == 3


def test_the_interval_covers_the_loss_and_narrows_with_rows(home: Home) -> None:
    few, many = (measured(home, "taught", conversations(count)) for count in (6, 24))
    for loss in (few, many):
        assert loss.low <= loss.loss <= loss.high and loss.high > loss.low
    assert measured(home, "taught", conversations(6)).to_dict() == few.to_dict()


def test_a_paired_difference_knows_which_is_better(home: Home) -> None:
    rows = conversations(12, "It is so.")
    toy, taught = measured(home, "toy", rows), measured(home, "taught", rows)
    found = difference(taught, toy)
    assert found["low"] < found["loss"] < found["high"] < 0
    with pytest.raises(ValueError, match="different tokens"):
        difference(toy, measured(home, "toy", rows[:5]))


def test_the_eval_split_is_measured_if_there_is_one(home: Home) -> None:
    assert measured_rows(home, "talks", 4) == ("eval", conversations(40)[:4])
    assert measured_rows(home, "lessons", 3)[0] == "train"


def test_rows_without_an_answer_are_refused(home: Home) -> None:
    with pytest.raises(UserError, match="Nothing can be measured"):
        encode(resolve(home, "toy"), conversations(2), "conversation", max_length=4)


def test_a_stop_ends_it_before_the_next_batch(home: Home) -> None:
    found = resolve(home, "toy")

    def stop() -> None:
        raise JobStopped

    with pytest.raises(JobStopped):
        loss_of(load_base(found.base, EXACT), encode(found, conversations(2), "conversation"), Task(check_stop=stop))


# ---- the job -----------------------------------------------------------------------------------------------


def test_the_job_measures_whole_models_and_adapters(home: Home) -> None:
    job = Measure(models=["loud", "taught", "toy"], dataset="lessons", rows=8)
    problems = Problems()
    job.check(home, problems)
    assert problems.found == []
    result = job.run(context(home))
    table = {row["model"]: row for row in result["table"]}
    assert list(table) == ["loud", "taught", "toy"] and result["split"] == "train"
    assert table["taught"]["loss"] < table["toy"]["loss"] - 1
    assert abs(table["loud"]["loss"] - table["toy"]["loss"]) > 0.01
    assert all(row["low"] <= row["perplexity"] <= row["high"] and row["rows"] == 8 for row in table.values())
    json.dumps(result)


def test_the_job_says_everything_wrong_at_once(home: Home) -> None:
    problems = Problems()
    Measure(models=["toy", "toy", "tyo"], dataset="pairs").check(home, problems)
    told = " ".join(map(str, problems.found))
    assert "twice" in told and "Did you mean toy" in told and "conversation or text rows" in told


# ---- proof after a merge -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "extreme"),
    [
        ("", False),
        ("A rainbow has seven colours, and rain has none of its own to show.", False),
        ("yes yes yes yes yes yes yes yes yes yes yes", True),
        ("the cat sat on the mat. " * 8, True),
        ("!!!!!!!!!!!!!!!!!!!!!!!!", True),
        ("a" * 400, True),
    ],
)
def test_repetition_is_seen(text: str, extreme: bool) -> None:
    assert (sanity_check.repetition(text) > sanity_check.REPEATED_SHARE) is extreme


def test_the_proof_warns_of_a_child_that_lost_its_words(home: Home) -> None:
    ctx = context(home, "proof")
    found = sanity_check.prove(ctx, "toy", ["taught"], "lessons", prompts=2, tokens=12, seed=0)
    assert list(found["perplexity"]) == ["toy", "taught"]
    assert found["perplexity"]["taught"]["perplexity"] < found["perplexity"]["toy"]["perplexity"]
    assert [set(sample["answers"]) for sample in found["samples"]] == [{"toy", "taught"}] * 2
    assert any("nats" in warning for warning in found["warnings"])
    saved = json.loads((ctx.folder / "proof.json").read_text())
    assert saved["warnings"] == found["warnings"] and saved["measured_on"] == "lessons (train split)"


def test_a_good_child_gives_no_warning_and_the_built_in_text_serves_without_a_dataset(home: Home) -> None:
    found = sanity_check.prove(context(home, "fine"), "toy", ["taught", "loud"], "", prompts=1, tokens=8, seed=0)
    assert set(found["perplexity"]) == {"taught", "toy", "loud"}
    assert not any("nats" in warning for warning in found["warnings"])
    assert len(found["samples"]) == 1 and found["samples"][0]["prompt"]


def test_a_parent_that_cannot_be_loaded_does_not_spoil_the_proof(home: Home) -> None:
    found = sanity_check.prove(context(home, "gone"), "taught", ["nowhere"], "pairs", prompts=1, tokens=8, seed=0)
    assert set(found["perplexity"]) == {"taught"}
    assert any("nowhere" in warning for warning in found["warnings"])


def test_the_built_in_texts_are_what_they_should_be() -> None:
    rows = held_out_prompts()
    assert len(rows) >= 20 and len(built_in_prompts()) == 6
    for row in rows:
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        assert 30 <= len(row["messages"][1]["content"].split()) <= 100
    assert len({row["messages"][0]["content"] for row in rows}) == len(rows)
