"""One tokenizer, one template and one set of stops per model: the same ids everywhere, and every learned end ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reading_chats import one_reading
from tests.toy_tokenizers import save_anew, sentencepiece_tokenizer, toy_weights
from tests.toys import toy_home, toy_model
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.gguf import converting
from workbench.gguf.modelfile import modelfile
from workbench.gguf.reading import read_header
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.jobs.job import JOBS, JobContext
from workbench.models.chat_tokens import copy_tokenizer, end_of_turn, stop_ids, stop_texts, write_stops
from workbench.models.model_import import import_folder
from workbench.models.model_references import resolve
from workbench.rendering.rendered import Tokenizer, render_prompt
from workbench.rendering.templates import get_template

pytestmark = pytest.mark.usefixtures("exact")
LESSONS = 80
ASKED: list[dict[str, Any]] = [{"role": "user", "content": "Tell me about the sea."}]


def change(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.is_file() else {}), **settings}))


def base_with_template(folder: Path) -> Path:
    """A base model whose own end is <|endoftext|>, taught with ChatML's turns, as it lies after a fine-tune."""
    change(folder / "tokenizer_config.json", eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    change(folder / "config.json", eos_token_id=0)
    change(folder / "generation_config.json", eos_token_id=0)
    return folder


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home.at(tmp_path_factory.mktemp("taught"))
    base_with_template(toy_model(home, lessons=LESSONS))
    return home


def test_the_end_of_turn_that_training_learns_is_a_stop_beside_eos(taught: Home) -> None:
    folder = taught.models / "toy"
    assert end_of_turn(Tokenizer.load(folder), get_template("model", folder)) == {2}
    assert stop_ids(folder) == [0, 2] and stop_texts(folder) == ["<|endoftext|>", "<|im_end|>"]
    assert end_of_turn(Tokenizer.load(folder), get_template("vicuna")) == {0}  # which ends its answers with EOS


def test_a_base_with_another_eos_stops_at_the_end_of_its_turn_in_chat(taught: Home) -> None:
    engine = Engine(taught)
    list(engine.load(["toy"]))
    (answer,) = engine.answering("toy").answer_batch([ASKED], Decoding(greedy=True, max_new_tokens=60))
    assert answer.finish == "eos" and "<|im_" not in answer.text and 0 < answer.tokens < 59


def test_it_stops_in_plain_transformers_once_the_stops_are_written(taught: Home, tmp_path: Path) -> None:
    import shutil

    from transformers import AutoModelForCausalLM

    folder = tmp_path / "exported"
    shutil.copytree(taught.models / "toy", folder)
    ids = render_prompt(ASKED, Tokenizer.load(folder), get_template("model", folder)).ids

    def ends() -> list[int]:
        import torch

        model = AutoModelForCausalLM.from_pretrained(folder)
        return model.generate(torch.tensor([ids]), max_new_tokens=60, do_sample=False)[0].tolist()[-1:]

    assert ends() != [2]
    write_stops(folder)
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == [0, 2]
    assert ends() == [2]


def test_its_gguf_names_the_end_of_turn_and_stops_there(taught: Home, tmp_path: Path) -> None:
    target = tmp_path / "toy.gguf"
    converting.convert(resolve(taught, "toy"), target)
    header = read_header(target)
    assert (
        header.number("tokenizer.ggml.eos_token_id", -1) == 0 and header.number("tokenizer.ggml.eot_token_id", -1) == 2
    )
    folder = taught.models / "toy"
    said = modelfile(header.chat_template, Tokenizer.load(folder).tokens, stop_texts(folder))
    assert 'PARAMETER stop "<|endoftext|>"' in said and 'PARAMETER stop "<|im_end|>"' in said and "TEMPLATE" in said


def test_a_whole_fine_tune_carries_its_stops_template_and_tokenizer_files_as_published(own_home: Path) -> None:
    home = toy_home(own_home)
    folder = base_with_template(home.models / "toy")
    (folder / "vocab.txt").write_text("kept as it was")
    job = JOBS.parse(
        {"method": "train", "model": "toy", "dataset": "talks", "tuner": "full", "max_steps": 1, "template": "zephyr"}
    )
    work = home.jobs / "j"
    work.mkdir()
    made = home.models / job.run(JobContext(home, work))["model"]
    assert (made / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert (made / "vocab.txt").read_text() == "kept as it was"
    assert (made / "chat_template.jinja").read_text() == get_template("zephyr").text
    ends = json.loads((made / "generation_config.json").read_text())["eos_token_id"]
    assert ends == stop_ids(made) and 0 in ends


@pytest.mark.parametrize("kind", ["LlamaTokenizer", "Qwen2Tokenizer", "PreTrainedTokenizerFast"])
def test_chat_reads_what_training_reads_whatever_class_the_tokenizer_says_it_is(own_home: Path, kind: str) -> None:
    """transformers makes a tokenizer of such a class anew, and may split text otherwise than tokenizer.json says."""
    home = toy_home(own_home)
    folder = home.models / "toy"
    rules = json.loads((folder / "tokenizer.json").read_text())
    digits = {"type": "Digits", "individual_digits": True}
    rules["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, rules["pre_tokenizer"]]}
    (folder / "tokenizer.json").write_text(json.dumps(rules))
    change(folder / "tokenizer_config.json", tokenizer_class=kind)
    engine = Engine(home)
    list(engine.load(["toy"]))
    talk = [{"role": "user", "content": "What is 1234 + 5678?  Größe 日本"}]
    assert (
        engine.model("toy").prompt_ids(talk)
        == render_prompt(talk, Tokenizer.load(folder), get_template("model", folder)).ids
    )


def test_a_template_given_to_a_copy_replaces_the_one_in_the_config(tmp_path: Path, own_home: Path) -> None:
    folder = toy_home(own_home).models / "toy"
    change(folder / "tokenizer_config.json", chat_template="{{ messages }}")
    copy_tokenizer(folder, tmp_path, get_template("llama3"))
    assert get_template("model", tmp_path).text == get_template("llama3").text
    assert "chat_template" not in json.loads((tmp_path / "tokenizer_config.json").read_text())


def sentencepiece_model(home: Home, family: str, saved: str = "", template: str = "") -> Path:
    """A toy on the shelf with a SentencePiece tokenizer, as published or saved anew 'beside' its files or 'alone'."""
    source = home.root / "source"
    toy_weights(source, {"llama": "Llama", "gemma": "Gemma3Text"}[family])
    sentencepiece_tokenizer(source, family, "gemma")
    if saved:
        save_anew(source, beside=saved == "beside")
        assert "added_tokens_decoder" not in json.loads((source / "tokenizer_config.json").read_text())
    if template:
        (source / "chat_template.jinja").write_text(template)
    import_folder(home, source, "pieces")
    return home.models / "pieces"


@pytest.mark.prove
@pytest.mark.parametrize(("family", "saved"), [("llama", "beside"), ("gemma", "beside"), ("gemma", "alone")])
def test_added_tokens_beside_sentencepiece_stay_tokens(own_home: Path, tmp_path: Path, family: str, saved: str) -> None:
    home = Home.at(own_home)
    sentencepiece_model(home, family, saved)
    target = tmp_path / "model.gguf"
    told = converting.convert(resolve(home, "pieces"), target)
    header = read_header(target)
    assert told["equal"] == told["texts"] or (family == "llama" and told["equal"])  # which has no blank at the start
    assert header.number("tokenizer.ggml.eot_token_id", -1) == 381
    assert next(one for one in header.tensors if one.name == "token_embd.weight").shape[-1] == 384


@pytest.mark.prove
def test_chats_of_a_sentencepiece_tokenizer_have_the_same_ids_on_the_whole_road(own_home: Path) -> None:
    """Trained, folded and converted without tokenizer.model, as transformers saves it."""
    home = Home.at(own_home)
    assert not (sentencepiece_model(home, "llama", "alone") / "tokenizer.model").exists()
    one_reading(home, "pieces")


def test_a_gguf_that_would_read_chats_otherwise_is_not_made(own_home: Path, tmp_path: Path) -> None:
    """This tokenizer puts a blank before the first word of a text alone; llama.cpp everywhere or nowhere."""
    home = Home.at(own_home)
    turns = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    sentencepiece_model(home, "llama", template=turns)
    with pytest.raises(UserError, match="would read chats as other tokens than pieces does"):
        converting.convert(resolve(home, "pieces"), tmp_path / "model.gguf")
    assert not list(tmp_path.glob("model.gguf*"))


def test_a_tokenizer_that_only_its_missing_file_could_explain_is_told_before_the_start(own_home: Path) -> None:
    from tokenizers import Tokenizer as Backend
    from tokenizers import models

    home = toy_home(own_home)
    backend = Backend(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0))
    backend.save(str(home.models / "toy" / "tokenizer.json"))
    problems = Problems()
    converting.check_conversion(resolve(home, "toy"), problems)
    assert "(Unigram) from tokenizer.model, which is not there" in str(problems.found[0])


def test_an_end_that_only_the_settings_name_ends_answers_of_the_gguf_too(own_home: Path, tmp_path: Path) -> None:
    home = toy_home(own_home)
    folder = home.models / "toy"
    (word,) = Tokenizer.load(folder).encode(["apple"])[0].ids[-1:]
    change(folder / "generation_config.json", eos_token_id=[2, word])
    converting.convert(resolve(home, "toy"), tmp_path / "model.gguf")
    assert read_header(tmp_path / "model.gguf").number("tokenizer.ggml.eom_token_id", -1) == word
    assert stop_texts(folder)[-1] == Tokenizer.load(folder).backend.decode([word])
