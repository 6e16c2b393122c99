"""Every kind of adapter over every kind of base: chat and folding give PEFT's own logits, or a refusal says why not."""

from pathlib import Path

import pytest
import torch

from tests.running import checked, context
from tests.toy_adapters import ADAPTERS, BASES, probe, save_adapter, toy_base
from tests.toys import EXACT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.inference.engine import Engine
from workbench.models.jobs.fold_adapter import Fold
from workbench.models.loading import load_base
from workbench.models.model_import import import_folder

OFF = 1e-4  # mean difference of the logits over the adapter's own effect
# Kinds that go through the code of another one here: tried in `make prove`.
LIKE_OTHERS = (
    "experts", "rslora", "layers", "olora", "whole embedding, tied", "lora on embedding, tied", "dora on embedding",
    "lora on both", "only tokens", "loha", "lokr", "oft", "boft", "hra",
)  # fmt: skip
ALWAYS = {
    "tied": tuple(kind for kind in ADAPTERS if kind not in LIKE_OTHERS),
    "untied": ("lora", "whole embedding and head", "two more tokens"),
    "qwen2": ("all biases", "lora bias"),
    "gpt2": ("lora",),
    "mixtral": ("lora",),
    "gemma3": ("lora",),
}  # fmt: skip
SLOW = {
    "tied": tuple(kind for kind in LIKE_OTHERS if kind != "experts"),
    "untied": tuple(kind for kind in ADAPTERS if kind not in ("experts", *ALWAYS["untied"])),
    "qwen2": ("lora", "whole embedding", "two more tokens"),
    "gpt2": (
        "lora bias",
        "lora on head",
        "two more tokens",
        "patterns",
        "dora",
        "pissa",
        "all biases",
        "whole embedding",
        "lora on embedding",
        "tokens",
        "ia3",
    ),
    "mixtral": ("experts", "lora on head", "two more tokens"),
    "qwen3-moe": ("lora", "experts"),
    "deepseek": ("lora", "experts"),
    "gemma3": ("lora on head", "whole embedding", "tokens"),
}
GRID = [
    *((base, kind) for base, kinds in ALWAYS.items() for kind in kinds),
    *(pytest.param(base, kind, marks=pytest.mark.prove) for base, kinds in SLOW.items() for kind in kinds),
]
NOT_IMPORTED = {"fast pissa": "takes a random part out of the base", "adalora": "the kind ADALORA, which is not known"}
NOT_FOLDED = {
    "repeated layers": "repeats layers of its base",
    "prompt tuning": "nothing to fold",
    "prefix tuning": "nothing to fold",
    "p-tuning": "nothing to fold",
}
NO_BIAS = "which has none in the base"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    made = Home.at(tmp_path_factory.mktemp("adapters"))
    for name in BASES:
        toy_base(made, name)
    return made


def off(logits: torch.Tensor, plain: torch.Tensor, truth: torch.Tensor) -> float:
    width = min(plain.shape[-1], truth.shape[-1])
    effect = (truth[..., :width] - plain[..., :width]).abs().mean()
    return float((logits - truth).abs().mean() / effect)


def refusal(kind: str, base: str) -> str:
    if kind == "lora bias":
        return "" if base == "gpt2" else NO_BIAS
    return NOT_FOLDED.get(kind, "")


@pytest.mark.parametrize(("base", "kind"), GRID, ids=lambda one: str(one).replace(" ", "-"))
@torch.inference_mode()
def test_an_adapter_answers_and_folds_as_peft_has_it(base: str, kind: str, home: Home, tmp_path: Path) -> None:
    with torch.inference_mode(mode=False):
        plain, truth = save_adapter(home.models / base, kind, tmp_path / "source")
    name = f"{base}-{kind}".replace(" ", "-").replace(",", "")
    if reason := NOT_IMPORTED.get(kind):
        with pytest.raises(UserError, match=reason):
            import_folder(home, tmp_path / "source", name, base)
        return
    import_folder(home, tmp_path / "source", name, base)

    engine = Engine(home, EXACT)
    list(engine.load([base, name]))
    assert off(engine.model(name).torch_model()(input_ids=probe()).logits[:, -24:], plain, truth) < OFF
    assert torch.equal(engine.model(base).torch_model()(input_ids=probe()).logits, plain)

    job = Fold(adapter=name, output=f"{name}-folded")
    if reason := refusal(kind, base):
        with pytest.raises(UserError, match=reason):
            checked(home, job)
        return
    checked(home, job)
    result = job.run(context(home, name))
    assert result["difference_of_effect"] < OFF
    folded = load_base(home.models / f"{name}-folded", EXACT).eval()
    assert off(folded(input_ids=probe()).logits, plain, truth) < OFF
    assert folded.dtype == torch.float32
