"""An import looks at the whole: every tensor, the vocabulary, what an adapter promises, and the kind of model."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.running import wrong_with
from tests.toy_adapters import SIZES, build, save_adapter, toy_base
from tests.toys import toy_dataset, toy_tokenizer
from workbench.cli.shelves import LISTS
from workbench.compression.jobs.quantize import Quantize
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.limited import MEMORY_BYTES
from workbench.core.lineage import digest_of, read_manifest
from workbench.models import inspection
from workbench.models.model_import import import_folder
from workbench.models.model_kinds import SEES_AND_SPEAKS, kind_from, kind_of
from workbench.models.model_references import ANSWERS
from workbench.models.shelf import model_info
from workbench.training.jobs.train import Train

Change = Callable[[dict[str, Any]], dict[str, Any]]
PREFIX = "base_model.model.model."
WEIGHTS, ADAPTER = "model.safetensors", "adapter_model.safetensors"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    made = Home.at(tmp_path_factory.mktemp("imports"))
    toy_base(made, "untied")
    toy_base(made, "gpt2")
    toy_dataset(made)
    return made


@pytest.fixture(scope="module")
def lora(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    save_adapter(home.models / "untied", "lora", folder)
    return folder


def rewrite(path: Path, change: Change) -> None:
    """Reads a file of tensors or of JSON, changes it, and writes it again."""
    if path.suffix == ".json":
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
    else:
        tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
        save_file(change(tensors), path, metadata={"format": "pt"})


def refused(home: Home, source: Path, base: str = "") -> str:
    before = sorted(home.models.iterdir())
    with pytest.raises(UserError) as caught:
        import_folder(home, source, "new", base)
    assert sorted(home.models.iterdir()) == before
    return str(caught.value)


# ---- every tensor and token --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        (WEIGHTS, lambda has: {n: t for n, t in has.items() if "1.mlp.up_proj" not in n}, "a tensor that LlamaFor"),
        (WEIGHTS, lambda has: {n: t for n, t in has.items() if "lm_head" not in n}, "is missing: lm_head.weight"),
        (WEIGHTS, lambda has: {n: t[:-1] if "norm" in n else t for n, t in has.items()}, "is 63 in the files, and 64"),
        ("config.json", lambda has: {**has, "num_hidden_layers": 3}, "9 tensors that LlamaForCausalLM needs"),
        ("config.json", lambda has: {**has, "vocab_size": 402}, "is 400 × 64 in the files, and 402 × 64 by config"),
        ("config.json", lambda has: {**has, "model_type": "martian"}, "none that transformers"),
        ("config.json", lambda has: {**has, "num_hidden_layers": 10**9}, "says num_hidden_layers: 1000000000"),
        ("config.json", lambda has: {**has, "hidden_act": "none such"}, "no model can be built from its config"),
    ],
    ids=["tensor", "head", "shape", "layers", "rows", "architecture", "too-many", "nonsense"],
)
def test_nothing_is_filled_at_random(home: Home, tmp_path: Path, file: str, change: Change, says: str) -> None:
    source = Path(shutil.copytree(home.models / "untied", tmp_path / "source"))
    rewrite(source / file, change)
    assert says in refused(home, source)


def test_a_tokenizer_larger_than_the_embedding_is_refused(home: Home, lora: Path, tmp_path: Path) -> None:
    def many_more(has: dict[str, Any]) -> dict[str, Any]:
        common = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        last = max(has["model"]["vocab"].values())
        more = [{"id": n, "content": f"<|new{n}|>", **common} for n in range(last + 1, 402)]
        return {**has, "added_tokens": [*has["added_tokens"], *more]}

    source = Path(shutil.copytree(home.models / "untied", tmp_path / "source"))
    rewrite(source / "tokenizer.json", many_more)
    assert "the tokenizer has ids up to 401, and the embedding only 400 rows" in refused(home, source)
    adapter = Path(shutil.copytree(lora, tmp_path / "adapter"))
    rewrite(adapter / "tokenizer.json", many_more)
    assert "ids up to 401" in refused(home, adapter, "untied")


def test_the_shelf_keeps_what_was_imported(home: Home, tmp_path: Path) -> None:
    source = Path(shutil.copytree(home.models / "untied", tmp_path / "source"))
    made = import_folder(home, source, "kept")
    for path in source.iterdir():
        with path.open("r+b") as file:  # into the very file, as a memory map does
            file.write(b"changed")
    assert digest_of(home.models / "kept") == made.digest
    assert not any(path.stat().st_ino == (source / path.name).stat().st_ino for path in (home.models / "kept").iterdir()
                   if (source / path.name).exists())  # fmt: skip


# ---- adapters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        (ADAPTER, lambda has: {}, "holds no tensor: it does nothing"),
        (ADAPTER, lambda has: {n: t for n, t in has.items() if "layers.0" in n}, "and 13 more, which its config"),
        (ADAPTER, lambda has: dict(list(has.items())[1:]), "lacks model.layers.0.mlp.down_proj.lora_A.weight, which"),
        (
            ADAPTER,
            lambda has: {n.replace(".weight", ".default.weight"): t for n, t in has.items()},
            "names its tensors so that PEFT does not read them",
        ),
        (ADAPTER, lambda has: {**has, f"{PREFIX}norm.lora_A.weight": next(iter(has.values())) + 1}, "holds model.norm"),
        ("adapter_config.json", lambda has: {**has, "peft_type": "XLORA"}, "the kind XLORA, which is not known here"),
        ("adapter_config.json", lambda has: {**has, "new_trick": 3}, "has the setting new_trick, which is not known"),
        ("adapter_config.json", lambda has: {**has, "alora_invocation_tokens": [3]}, "(aLoRA)"),
        ("adapter_config.json", lambda has: {**has, "init_lora_weights": "corda"}, "CorDA takes a part out of"),
        ("adapter_config.json", lambda has: {**has, "target_modules": ["q_proj"]}, "of which its configuration says"),
    ],
    ids=["empty", "one-layer", "one-tensor", "default", "strange", "kind", "setting", "alora", "corda", "more"],
)  # fmt: skip
def test_an_adapter_keeps_its_promise(
    home: Home, lora: Path, tmp_path: Path, file: str, change: Change, says: str
) -> None:
    source = Path(shutil.copytree(lora, tmp_path / "source"))
    rewrite(source / file, change)
    message = refused(home, source, "untied")
    assert says in message and "another base" not in message


def test_settings_that_are_empty_are_no_reason_to_refuse(home: Home, lora: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(lora, tmp_path / "source"))
    rewrite(source / "adapter_config.json", lambda has: {**has, "enable_lora": None, "merge_weights": False})
    assert import_folder(home, source, "older", "untied").kind == "adapter"


def test_another_base_is_said_only_where_it_is_one(home: Home, lora: Path) -> None:
    assert "trained on another base than 'gpt2'" in refused(home, lora, "gpt2")
    import_folder(home, lora, "right", "untied")
    assert "'right' is an adapter. Choose a whole model. Folded into its base, 'untied'," in refused(
        home, lora, "right"
    )


# ---- kinds of models ---------------------------------------------------------------------------------------

BERT = {key: SIZES[key] for key in SIZES if key not in ("num_key_value_heads", "bos_token_id", "eos_token_id")}


def saved(folder: Path, name: str) -> Path:
    import transformers

    config: Any
    if name == "bert":
        model = transformers.BertForMaskedLM(transformers.BertConfig(**BERT))
    elif name == "t5":
        config = transformers.T5Config(vocab_size=400, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4)
        model = transformers.T5ForConditionalGeneration(config)
    elif name == "llava":
        seen = {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 28, "patch_size": 14, "model_type": "clip_vision_model", "projection_dim": 32,
        }  # fmt: skip
        config = transformers.LlavaConfig(text_config={**SIZES, "model_type": "llama"}, vision_config=seen)
        model = transformers.LlavaForConditionalGeneration(config)
    else:
        model = build("Mamba", {"vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 2, "state_size": 8})
    model.save_pretrained(folder)
    toy_tokenizer(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "family", "says"),
    [
        ("bert", "encoder", "'bert' is an encoder model (BertForMaskedLM)"),
        ("t5", "sequence to sequence", "'t5' is a sequence to sequence model"),
        ("llava", "vision", "'llava' is a vision model"),
        ("mamba", "state space", "'mamba' is a state space model"),
    ],
)
def test_what_does_not_answer_is_told_and_not_offered(
    home: Home, lora: Path, tmp_path: Path, name: str, family: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = import_folder(home, saved(tmp_path, name), name)
    assert made.info["kind"] == family and "it can be merged" in made.info["limits"]
    info = model_info(home, name)
    assert info.described == f"{family}: no chat, no training" and not info.generates
    with pytest.raises(UserError) as caught:
        ANSWERS.resolve(home, name)
    assert says in str(caught.value)
    assert says in wrong_with(home, Train(model=name, dataset="talks"))
    job = Quantize.parse({"model": name, "quantizers": [{"method": "gguf", "type": "F16"}]})
    assert (says in wrong_with(home, job)) == (name != "mamba")
    assert says in refused(home, lora, name)
    assert family in [row[2] for row in LISTS["models"](home)[1]]


def test_kinds_are_told_from_configs_of_old_homes() -> None:
    kinds = {
        "causal": {"architectures": ["LlamaForCausalLM"], "model_type": "llama"},
        "causal, mixture of experts": {"architectures": ["MixtralForCausalLM"], "num_local_experts": 8},
        "causal, with vision": {
            "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "vision_config": {},
        },
        "causal, quantized by bitsandbytes": {
            "architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "bitsandbytes"},
        },
        "encoder": {"architectures": ["RobertaForSequenceClassification"], "model_type": "roberta"},
        "sequence to sequence": {"architectures": ["BartForConditionalGeneration"], "is_encoder_decoder": True},
    }  # fmt: skip
    for label, config in kinds.items():
        assert kind_from(config).label == label
    hostile = {"architectures": 3, "text_config": [], "quantization_config": {"quant_method": ["x"]}, "model_type": {}}
    assert kind_from(hostile).architecture == "?"


def test_models_that_see_are_those_that_transformers_loads_as_causal() -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as NAMES

    assert {kind for kind, name in NAMES.items() if "ForConditionalGeneration" in name} == SEES_AND_SPEAKS


def test_the_kind_of_a_model_on_the_shelf_is_read_without_its_manifest(home: Home) -> None:
    assert "kind" not in read_manifest(home.models / "gpt2").info
    assert kind_of(home.models / "gpt2").generates and model_info(home, "gpt2").described == "causal"


# ---- the process -------------------------------------------------------------------------------------------


def test_a_server_looks_through_a_process_of_its_own(home: Home, lora: Path, tmp_path: Path) -> None:
    """The server never imports torch; what is found out is the same."""
    source = Path(shutil.copytree(lora, tmp_path / "source"))
    rewrite(source / ADAPTER, lambda has: dict(list(has.items())[1:]))
    here = inspection.inspect_here(source, home.models / "untied")
    code = (
        "import sys; from pathlib import Path; from workbench.models.inspection import inspect;"
        "print(*inspect(Path(sys.argv[1]), Path(sys.argv[2])), sep='\\n'); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(source), str(home.models / "untied")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [*map(str, here), "False"]


def test_the_process_has_no_more_memory_than_it_needs(
    home: Home, lora: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds: list[int] = []
    monkeypatch.setattr(inspection, "bound_memory", bounds.append)
    monkeypatch.setattr(sys, "argv", ["", str(lora), str(home.models / "untied")])
    inspection.main()
    assert json.loads(capsys.readouterr().out) == []
    size = (lora / ADAPTER).stat().st_size + inspection.MERGED_BYTES * 400 * 64  # the embedding is the largest
    assert bounds == [MEMORY_BYTES + inspection.LOADED_COPIES * size]

    def too_much(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(inspection, "_model", too_much)
    assert "takes more memory than" in str(inspection.inspect_here(home.models / "untied")[0])
