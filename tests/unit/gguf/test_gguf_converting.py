"""From a model folder to GGUF files: the toy model converted once, quantized, imported, opened by llama.cpp."""

import json
import logging
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.running import context, run
from tests.toys import conversations, toy_dataset, toy_model
from workbench.compression.importance import importance_of, load_importance, save_importance
from workbench.compression.jobs.import_gguf import ImportGguf
from workbench.compression.jobs.quantize import Quantize
from workbench.compression.quantizers.gguf import Gguf
from workbench.core.errors import Problems, SpecError, UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.tasks import Task
from workbench.gguf import converter, converting, tokenizing
from workbench.gguf.preview import best_fit, cache_bytes, preview_size
from workbench.gguf.reading import read_header
from workbench.gguf.types import KINDS
from workbench.jobs.job import STOP_FILE, JobStopped
from workbench.models.model_references import Resolved, gguf_file, resolve
from workbench.models.shelf import model_info


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A toy of width 256, the dataset 'talks', and the toy quantized to Q8_0 and Q4_K_M, the latter weighed."""
    made = Home.at(tmp_path_factory.mktemp("gguf"))
    toy_model(made, "toy", hidden=256)
    toy_dataset(made)
    job = Quantize(
        model="toy", quantizers=[Gguf(type="Q8_0"), Gguf(type="Q4_K_M", importance=True)], calibration="talks",
        calibration_rows=6,
    )  # fmt: skip
    result = run(made, job, "quantize")
    assert result["models"] == ["toy-q8_0", "toy-q4_k_m-imatrix"]
    return made


@pytest.fixture(scope="module")
def source(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Q8_0 file, which keeps the toy's tokenizer."""
    return gguf_file(home, "toy-q8_0")


def test_a_quantized_model_tells_what_it_is(home: Home) -> None:
    info, manifest = model_info(home, "toy-q4_k_m-imatrix"), read_manifest(home.models / "toy-q4_k_m-imatrix")
    assert (info.kind, info.architecture, info.dtype) == ("gguf", "llama", "Q4_K_M")
    assert {parent.role: parent.name for parent in manifest.parents} == {"quantized": "toy", "calibration": "talks"}
    assert manifest.info["importance"] and manifest.info["chat_template"] and manifest.info["fallbacks"] == 0
    assert manifest.info["context_length"] == 512
    assert manifest.info["tokenizer_check"]["equal"] == manifest.info["tokenizer_check"]["texts"] > 10
    files = {path.name for path in (home.models / "toy-q4_k_m-imatrix").iterdir()}
    assert files == {"model.gguf", "Modelfile", "README.md", "manifest.yaml"}
    header = read_header(gguf_file(home, "toy-q4_k_m-imatrix"))
    assert header.text("general.name") == "toy" and header.tokenizer == "gpt2 (gpt-2)"
    assert header.type == "Q4_K_M" and header.values["general.quantization_version"] == 2


def test_beside_it_lie_a_modelfile_and_a_card(home: Home) -> None:
    folder = home.models / "toy-q8_0"
    words = (folder / "Modelfile").read_text()
    assert words.startswith("FROM ./model.gguf\nTEMPLATE")
    assert "<|im_start|>user\n{{ .Content }}<|im_end|>" in words and 'PARAMETER stop "<|im_end|>"' in words
    card = (folder / "README.md").read_text()
    assert "llama-cli -m model.gguf" in card and "Q8\\_0" in card and "toy" in card


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K_M"])
def test_the_preview_is_exact(home: Home, kind: str) -> None:
    name = {"Q8_0": "toy-q8_0", "Q4_K_M": "toy-q4_k_m-imatrix"}[kind]
    size = gguf_file(home, name).stat().st_size
    assert preview_size(resolve(home, "toy"), kind).bytes == pytest.approx(size, rel=0.01)


def test_previews_say_what_falls_back(tmp_path: Path) -> None:
    made = Home.at(tmp_path / "small")
    toy_model(made)
    told = preview_size(resolve(made, "toy"), "Q4_K_M")
    assert (
        len(told.fallbacks) == 14
        and "14 of 20 tensors fall back" in told.fallback_sentence()
        and "(64, 128)" in told.fallback_sentence()
    )
    assert preview_size(resolve(made, "toy"), "Q8_0").fallbacks == []
    assert not preview_size(resolve(made, "toy"), "IQ2_XXS").needs_importance  # none has a width that type can have


def test_the_best_type_for_some_memory(home: Home) -> None:
    toy = resolve(home, "toy")
    assert cache_bytes(toy, 512) == 2 * 2 * 512 * 2 * 2 * 64
    sizes = {kind: preview_size(toy, kind).bytes + cache_bytes(toy, 512) for kind in KINDS}
    assert best_fit(toy, 1, 512).kind == "BF16"
    assert best_fit(toy, (sizes["Q8_0"] - 1) / 1e9, 512).kind == "Q6_K"
    assert best_fit(toy, sizes["Q2_K"] / 1e9, 512).kind == "Q2_K"
    assert best_fit(toy, sizes["Q2_K"] / 1e9 - 1e-6, 512, importance=True).kind.startswith("IQ")
    with pytest.raises(UserError, match=r"Nothing fits into 0\.0001 GB"):
        best_fit(toy, 0.0001, 512)


def test_llama_cpp_reads_text_as_the_model_does(home: Home, source: Path, tmp_path: Path) -> None:
    compared = tokenizing.compare_tokenizers(source, home.models / "toy")
    assert compared.texts == compared.equal and not compared.chat
    other = tmp_path / "other"
    shutil.copytree(home.models / "toy", other)
    rules = json.loads((other / "tokenizer.json").read_text())
    digits = {"type": "Digits", "individual_digits": True}
    rules["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, rules["pre_tokenizer"]]}
    rules["model"]["merges"] = []
    (other / "tokenizer.json").write_text(json.dumps(rules))
    compared = tokenizing.compare_tokenizers(source, other)
    assert compared.equal < compared.texts and compared.differing and compared.chat


def test_a_gguf_that_reads_chats_otherwise_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        tokenizing, "compare_tokenizers", lambda *_: tokenizing.TokenizerComparison(9, 9, "", "<|user|>Hi")
    )
    with pytest.raises(UserError, match=r"would read chats as other tokens than toy does, such as '<\|user\|>Hi'"):
        converting._proved(resolve(home, "toy"), Path("toy.gguf"), True)


def test_an_unknown_tokenizer_that_differs_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizing, "compare_tokenizers", lambda *_: tokenizing.TokenizerComparison(9, 8, "3.14"))
    toy = resolve(home, "toy")
    with pytest.raises(UserError, match=r"how toy splits text before BPE: '3.14'"):
        converting._proved(toy, Path("toy.gguf"), known=False)
    assert converting._proved(toy, Path("toy.gguf"), known=True)["equal"] == 8


def test_importance_is_the_mean_square_of_what_goes_in(home: Home, source: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from workbench.inference.loss import encode

    toy, rows = resolve(home, "toy"), conversations(3)
    matrix = importance_of(toy, read_header(source), rows, "conversation", Task())
    assert len(matrix) == 14 and all(name.startswith("blk.") for name in matrix)
    model = AutoModelForCausalLM.from_pretrained(toy.base)
    heard: list[torch.Tensor] = []
    model.model.layers[1].mlp.down_proj.register_forward_pre_hook(lambda _, given: heard.append(given[0][0].detach()))
    for row in encode(toy, rows, "conversation"):
        model(torch.tensor([row["input_ids"]]))
    expected = torch.cat(heard).square().mean(0).numpy()
    assert np.corrcoef(matrix["blk.1.ffn_down.weight"], expected)[0, 1] > 0.99
    assert matrix["blk.1.ffn_down.weight"].mean() == pytest.approx(expected.mean(), rel=0.05)
    save_importance(tmp_path / "matrix.gguf", matrix, "talks", 3)
    again = load_importance(tmp_path / "matrix.gguf")
    assert set(again) == set(matrix) and all(np.array_equal(again[name], matrix[name]) for name in matrix)
    with pytest.raises(UserError, match="no importance matrix"):
        load_importance(source)


def problems_of(home: Home, found: Resolved, quantizer: Gguf) -> list[str]:
    problems = Problems()
    quantizer.check(home, found, problems)
    return [str(problem) for problem in problems.found]


def test_what_cannot_work_is_said_before(home: Home, tmp_path: Path) -> None:
    toy = resolve(home, "toy")
    assert problems_of(home, toy, Gguf(type="Q4_K_M")) == []
    assert "needs an importance matrix" in problems_of(home, toy, Gguf(type="IQ2_M"))[0]
    assert problems_of(home, toy, Gguf(type="IQ2_M", importance=True)) == []
    strange = tmp_path / "strange"
    shutil.copytree(toy.base, strange)
    config = json.loads((strange / "config.json").read_text())
    (strange / "config.json").write_text(json.dumps({**config, "architectures": ["QuuxForCausalLM"]}))
    assert "does not know QuuxForCausalLM" in problems_of(home, Resolved("strange", strange, None), Gguf())[0]
    (strange / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "x"}}))
    assert "quantized already" in problems_of(home, Resolved("strange", strange, None), Gguf())[0]


def test_the_converter_is_the_reviewed_one_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert converter.checked_wheel() == converter.WHEEL
    changed = tmp_path / converter.WHEEL.name
    changed.write_bytes(converter.WHEEL.read_bytes() + b" ")
    for path, reason in ((changed, "not the file it should be"), (tmp_path / "none.whl", "is missing")):
        monkeypatch.setattr(converter, "WHEEL", path)
        with pytest.raises(UserError, match=reason):
            converter.checked_wheel()


def test_the_converters_tables_are_read_without_running_it() -> None:
    names = [converter.gguf_architecture(f"{name}ForCausalLM") for name in ("Llama", "Qwen2", "Gemma2", "Quux")]
    assert names == ["llama", "qwen2", "gemma2", ""]
    assert len(converter.supported()) > 200
    assert converter.language_architecture({"architectures": ["A"], "text_config": {"architectures": ["B"]}}) == "B"


EVIL = """
import os, socket, subprocess
class ModelType: TEXT = 1
class TextModel:
    def get_vocab_base_pre(self, tokenizer): ...
    def prepare_metadata(self, vocab_only): ...
class ModelBase: pass
def _try(name, act):
    try:
        act()
        return name + " worked"
    except PermissionError:
        return name + " refused"
def get_model_architecture(*_): ...
def get_model_class(_):
    raise RuntimeError(", ".join([
        _try("connect", lambda: socket.create_connection(("127.0.0.1", 9))),
        _try("lookup", lambda: socket.getaddrinfo("example.org", 80)),
        _try("program", lambda: subprocess.run(["true"])),
        _try("shell", lambda: os.system("true")),
        _try("write", lambda: open(OUTSIDE, "w")),
        str(sorted(set(os.environ) & {"SECRET_TOKEN", "HF_TOKEN"})),
    ]))
ModelBase.load_hparams = staticmethod(lambda *_: {})
"""


def test_the_converter_is_confined(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "workbench")
    outside = tmp_path / "outside"
    with zipfile.ZipFile(tmp_path / "evil.whl", "w") as wheel:
        wheel.writestr("conversion/__init__.py", EVIL.replace("OUTSIDE", repr(str(outside))))
        wheel.writestr(
            "gguf/__init__.py",
            "LlamaFileType = {'ALL_F32': 0}\nclass MODEL_TENSOR: ...\n"
            "class Keys:\n    class Tokenizer:\n        EOT_ID = 'eot'",
        )
    monkeypatch.setattr(converting, "checked_wheel", lambda: tmp_path / "evil.whl")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(UserError) as told:
        converting.convert(resolve(home, "toy"), tmp_path / "scratch" / "toy.gguf")
    refused = ", ".join(f"{name} refused" for name in ("connect", "lookup", "program", "shell", "write"))
    said = caplog.text
    assert f"{refused}, []" in said and '"kind": "RuntimeError"' in said
    assert "cannot write toy" in told.value.message and "RuntimeError" not in str(told.value)
    assert not outside.exists() and not list((tmp_path / "scratch").iterdir())


def test_a_stop_ends_the_converter(home: Home, tmp_path: Path) -> None:
    def stop() -> None:
        raise JobStopped

    with pytest.raises(JobStopped):
        converting.convert(resolve(home, "toy"), tmp_path / "toy.gguf", Task(check_stop=stop))
    assert not list(tmp_path.glob("toy*"))


@pytest.fixture
def fresh(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "fresh")


def test_a_gguf_is_imported(fresh: Home, source: Path) -> None:
    job = ImportGguf(path=str(source), name="theirs")
    problems = Problems()
    job.check(fresh, problems)
    assert problems.found == []
    assert job.run(context(fresh, "import")) == {"model": "theirs"}
    info = model_info(fresh, "theirs")
    assert (info.kind, info.architecture, info.dtype, info.size) == ("gguf", "llama", "Q8_0", source.stat().st_size)
    assert gguf_file(fresh, "theirs").read_bytes() == source.read_bytes()
    assert read_manifest(info.folder).info["context_length"] == 512
    with pytest.raises(UserError, match="GGUF"):
        resolve(fresh, "theirs")


def refused(home: Home, path: Path) -> str:
    problems = Problems()
    ImportGguf(path=str(path), name="new").check(home, problems)
    with pytest.raises(SpecError) as told:
        problems.check()
    return str(told.value)


def patched(source: Path, target: Path, old: bytes, new: bytes) -> Path:
    assert len(old) == len(new) and source.read_bytes().count(old) >= 1
    target.write_bytes(source.read_bytes().replace(old, new, 1))
    return target


def test_imports_that_cannot_answer_are_refused(fresh: Home, source: Path, tmp_path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "part.gguf", "llama")
    writer.add_uint16("split.no", 0)
    writer.add_uint16("split.count", 3)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert "part 1 of 3" in refused(fresh, tmp_path / "part.gguf")
    assert "There is no file" in refused(fresh, tmp_path / "none.gguf")
    (tmp_path / "big.gguf").write_bytes(b"GGUF\0\0\0\3" + bytes(64))
    assert "big-endian" in refused(fresh, tmp_path / "big.gguf")
    unknown = patched(source, tmp_path / "unknown.gguf", b"\5\0\0\0\0\0\0\0llama", b"\5\0\0\0\0\0\0\0quuux")
    assert "has no 'quuux' models" in refused(fresh, unknown)
    (tmp_path / "cut.gguf").write_bytes(source.read_bytes()[:-1000])
    assert "is damaged" in refused(fresh, tmp_path / "cut.gguf")


def test_a_file_llama_cpp_cannot_open_is_not_shelved(fresh: Home, source: Path, tmp_path: Path) -> None:
    broken = patched(source, tmp_path / "broken.gguf", b"blk.1.ffn_up.weight", b"blk.1.ffn_ap.weight")
    with pytest.raises(UserError, match=r"llama\.cpp cannot open broken\.gguf"):
        ImportGguf(path=str(broken), name="broken").run(context(fresh, "import"))
    assert not list(fresh.models.iterdir())


def test_a_stopped_copy_leaves_nothing(fresh: Home, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.compression.jobs.import_gguf.os.link", lambda *_: (_ for _ in ()).throw(OSError()))
    ctx = context(fresh, "import")
    (ctx.folder / STOP_FILE).write_text("discard")
    with pytest.raises(JobStopped):
        ImportGguf(path=str(source), name="copy").run(ctx)
    assert not list(fresh.models.iterdir())
