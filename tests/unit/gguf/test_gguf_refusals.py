"""What the converter and llama.cpp say when they give up becomes one sentence, without paths or their own words."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.prove.architectures import source
from tests.prove.gguf_logits import largest_difference
from tests.running import run, wrong_with
from tests.toys import toy_model
from workbench.compression.jobs.quantize import Quantize
from workbench.compression.quantizers.gguf import Gguf
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.gguf import converting, quantizing
from workbench.gguf.llama_errors import converter_refusal, opening_refusal
from workbench.gguf.support import computed_otherwise
from workbench.models.model_import import import_folder
from workbench.models.model_references import resolve

CONVERTER = {
    ("ValueError", "Can not map tensor 'model.layers.0.odd.weight'"): "no place for the tensor model.layers.0.odd",
    ("ValueError", "Error: Missing /home/me/models/phi3/tokenizer.model"): "cannot read this tokenizer",
    ("FileNotFoundError", "File not found: /home/me/tokenizer.model"): "cannot read this tokenizer",
    ("NotImplementedError", "BPE pre-tokenizer was not recognized - update get_vocab_base_pre()"): "splits text",
    ("NotImplementedError", "Architecture 'OddForCausalLM' not supported!"): "does not know this kind of model",
    ("KeyError", "'rotary_pct'"): "config.json lacks the setting rotary_pct",
    ("RuntimeError", "shape '[4, 3, 16, 64]' is invalid for input of size 6144"): "other shapes than it expects",
    ("PermissionError", "the model wants to run its own Python code"): "run code of the model's own",
    ("OSError", "[Errno 28] No space left on device: '/tmp/x'"): "the disk is full",
    ("AttributeError", "DSPARK_MARKOV_W1"): "stopped at something it does not expect",
}
LLAMA = {
    "E llama_model_load: error loading model: check_tensor_dims: tensor 'blk.0.ffn_down.weight' has wrong shape; "
    "expected 256, 64, got 128, 64, 1, 1": "expects another shape of the tensor blk.0.ffn_down.weight",
    "check_tensor_dims: tensor 'output_norm.weight' not found": "the tensor output_norm.weight is missing",
    "key not found in model: deepseek2.attention.q_lora_rank": "needs the setting deepseek2.attention.q_lora_rank",
    "error loading model vocabulary: _Map_base::at": "cannot read the vocabulary",
    "RuntimeError: Failed to init server, please check /tmp/a/b.gguf": "it ended without a reason that is known here",
}


@pytest.mark.parametrize(("kind", "words"), CONVERTER)
def test_the_converters_words_become_a_sentence(kind: str, words: str) -> None:
    said = f"Loading /home/me/models\n{json.dumps({'error': words, 'kind': kind})}\n"
    error = converter_refusal(said, 1, "my-model")
    assert CONVERTER[kind, words] in error.message and "cannot write my-model" in error.message
    assert "/" not in str(error) and kind not in str(error) and error.remedy


@pytest.mark.parametrize(("code", "words"), [(-9, "memory"), (-11, "signal 11"), (3, "exit code 3")])
def test_a_converter_that_died_is_told_of_too(code: int, words: str) -> None:
    assert words in converter_refusal("Loading /home/me", code, "my-model").message


@pytest.mark.parametrize("said", LLAMA)
def test_llama_cpps_words_become_the_rest_of_a_sentence(said: str) -> None:
    assert LLAMA[said] in opening_refusal(f"0.00.009 I loading /home/me/x.gguf\n{said}")
    assert "/" not in opening_refusal(said)


@pytest.mark.parametrize(
    ("architecture", "config", "setting"),
    [
        ("Qwen3MoeForCausalLM", {}, "norm_topk_prob: true; here it is false"),
        ("Qwen2MoeForCausalLM", {"norm_topk_prob": True}, "norm_topk_prob: false; here it is true"),
        ("FalconForCausalLM", {"alibi": True}, "alibi"),
        ("FalconForCausalLM", {"parallel_attn": False}, "parallel_attn"),
        ("LlamaForCausalLM", {"hidden_act": "gelu"}, "hidden_act: silu; here it is gelu"),
        ("DeepseekV2ForCausalLM", {"num_hidden_layers": 2}, "q_lora_rank"),
    ],
)
def test_what_llama_cpp_would_run_as_another_model_is_known(
    architecture: str, config: dict[str, Any], setting: str
) -> None:
    assert setting in computed_otherwise(architecture, config)


def test_models_as_they_are_published_are_not_refused() -> None:
    assert not computed_otherwise("Qwen3MoeForCausalLM", {"norm_topk_prob": True, "hidden_act": "silu"})
    assert not computed_otherwise("DeepseekV2ForCausalLM", {"num_hidden_layers": 27, "q_lora_rank": None})
    assert not computed_otherwise("FalconForCausalLM", {"multi_query": True, "bias": False})


def test_what_llama_cpp_would_run_otherwise_is_said_before_the_start(own_home: Path) -> None:
    home = Home.at(own_home)
    path = toy_model(home) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hidden_act": "relu"}))
    told = wrong_with(home, Quantize(model="toy", quantizers=[Gguf(type="F16")]))
    assert "hidden_act: silu; here it is relu: toy would give other answers there" in told


def test_what_llama_cpp_cannot_open_does_not_reach_the_shelf(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.at(own_home)
    toy_model(home)
    quantize = quantizing.quantize

    def damaged(origin: Path, target: Path, *given: Any) -> Any:
        done = quantize(origin, target, *given)
        target.write_bytes(target.read_bytes().replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_ap.weight"))
        return done

    monkeypatch.setattr(quantizing, "quantize", damaged)
    with pytest.raises(
        UserError, match=r"cannot open the GGUF made of toy: the tensor blk\.1\.ffn_up\.weight is missi"
    ):
        run(home, Quantize(model="toy", quantizers=[Gguf(type="F16")]))
    assert [path.name for path in home.models.iterdir()] == ["toy"]


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", ["phi3", "gemma2"])
def test_a_byte_level_bpe_goes_into_the_gguf_of_architectures_with_sentencepiece(name: str, own_home: Path) -> None:
    home = Home.at(own_home)
    import_folder(home, source(name, home.root / "source"), name)
    converting.convert(resolve(home, name), home.root / "made.gguf")
    assert largest_difference(home.root / "source", home.root / "made.gguf") < 0.005
