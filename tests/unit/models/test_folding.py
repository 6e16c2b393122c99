"""A fold is proved before it is shelved: in the base's type, up to rounding, and not at all when it went wrong."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.running import context, run, wrong_with
from tests.toy_adapters import save_adapter, toy_base
from tests.toys import toy_adapter, toy_model
from workbench.compression.jobs.quantize import folded
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.merging.checks import check_recipe
from workbench.merging.recipe import MergeRecipe
from workbench.models import merged
from workbench.models.fold_check import FoldComparison
from workbench.models.folding import changed_config
from workbench.models.jobs.fold_adapter import Fold
from workbench.models.merged import open_weights
from workbench.models.model_import import import_folder
from workbench.models.model_references import resolve
from workbench.models.weights import Tensors


@pytest.fixture
def home(tmp_path: Path, exact: None) -> Home:
    made = Home.at(tmp_path / "home")
    toy_base(made, "tied")
    return made


def adapter(home: Home, tmp_path: Path, kind: str, base: str = "tied", name: str = "style") -> None:
    save_adapter(home.models / base, kind, tmp_path / name)
    import_folder(home, tmp_path / name, name, base)


@pytest.mark.parametrize("kind", ["lora", "dora", "ia3", "two more tokens"])
def test_a_half_precision_base_stays_that_and_is_right_up_to_rounding(home: Home, tmp_path: Path, kind: str) -> None:
    toy_base(home, "untied", "bfloat16")
    adapter(home, tmp_path, kind, "untied")
    result = run(home, Fold(adapter="style"))
    assert 1e-4 < result["difference_of_effect"] < 0.02
    found = Tensors(home.models / "style-merged")
    assert {found.dtype(name) for name in found.names()} == {torch.bfloat16}
    assert read_manifest(home.models / "style-merged").info["compared"]["dtype"] == "bfloat16"


def test_another_model_than_base_and_adapter_is_never_shelved(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter(home, tmp_path, "lora")
    real = merged.MergedTensors.get

    def wrong(self: Any, name: str) -> torch.Tensor:
        return real(self, name) * (1.01 if "up_proj" in name else 1)

    monkeypatch.setattr(merged.MergedTensors, "get", wrong)
    with pytest.raises(UserError, match=r"its logits are off by 0\.\d+ of the adapter's own effect") as caught:
        run(home, Fold(adapter="style"))
    assert "Nothing was put on the shelf" in caught.value.remedy
    assert not (home.models / "style-merged").exists()


def test_an_adapter_that_changes_nothing_is_not_folded(home: Home) -> None:
    toy_model(home)
    toy_adapter(home, "nothing", spread=0.0)
    assert "'nothing' does nothing: every weight of 'toy' stays" in wrong_with(home, Fold(adapter="nothing"))
    with pytest.raises(UserError, match="'nothing' changes no logit of 'toy'"):
        Fold(adapter="nothing").run(context(home))


def test_what_counts_as_the_same_model() -> None:
    assert (
        FoldComparison(1.0, 0.00009, 0.0, "float32").holds() and not FoldComparison(1.0, 0.0002, 0.0, "float32").holds()
    )
    assert (
        FoldComparison(1.0, 0.019, 0.0, "bfloat16").holds() and not FoldComparison(1.0, 0.021, 0.0, "bfloat16").holds()
    )
    assert FoldComparison(0.01, 0.005, 0.004, "bfloat16").holds()  # no more than what rounding alone does
    assert (
        not FoldComparison(0.01, 0.005, 0.002, "bfloat16").holds()
        and not FoldComparison(0.0, 0.0, 1.0, "bfloat16").holds()
    )
    assert not FoldComparison(1.0, float("nan"), 1.0, "bfloat16").holds()


def test_untied_and_grown_models_say_so_in_config_and_log(home: Home, tmp_path: Path) -> None:
    adapter(home, tmp_path, "two more tokens, saved")
    ctx = context(home)
    Fold(adapter="style").run(ctx)
    notes = " ".join(event["text"] for event in ctx.events.read()[0] if event["type"] == "note")
    assert "two tensors now, not one" in notes and "an embedding of 402 rows" in notes
    found = Tensors(home.models / "style-merged")
    assert found.shape("lm_head.weight") == (402, 64) == found.shape("model.embed_tokens.weight")


def test_settings_go_into_the_part_of_a_config_that_describes_the_text() -> None:
    config = {"tie_word_embeddings": True, "text_config": {"vocab_size": 400}}
    assert changed_config(config, {"vocab_size": 402, "tie_word_embeddings": False}) == {
        "tie_word_embeddings": False, "text_config": {"vocab_size": 402, "tie_word_embeddings": False},
    }  # fmt: skip


def test_merging_with_an_adapter_that_makes_another_layout_asks_to_fold_it_first(home: Home, tmp_path: Path) -> None:
    adapter(home, tmp_path, "lora on head")
    with pytest.raises(UserError, match="Fold it into its base") as caught:
        open_weights(resolve(home, "style"))
    assert "tie_word_embeddings" in str(caught.value)
    recipe = {
        "merge_method": "linear",
        "models": [{"model": name, "parameters": {"weight": 1}} for name in ("tied", "style")],
    }
    problems = check_recipe(home, MergeRecipe.parse(recipe)).problems
    assert any("trains lm_head" in one.message and "Fold it" in one.remedy for one in problems)


def test_quantizing_an_adapter_folds_it_by_the_same_road(home: Home, tmp_path: Path) -> None:
    adapter(home, tmp_path, "dora")
    ctx = context(home)
    whole = folded(ctx, resolve(home, "style"), ctx.folder / "folded")
    run(home, Fold(adapter="style"))
    ours, shelved = Tensors(whole.base), Tensors(home.models / "style-merged")
    assert all(torch.equal(ours.get(name), shelved.get(name)) for name in shelved.names())


def test_a_lora_bias_without_a_place_is_refused_before_the_start(home: Home, tmp_path: Path) -> None:
    adapter(home, tmp_path, "lora bias")
    assert "which has none in the base" in wrong_with(home, Fold(adapter="style"))
