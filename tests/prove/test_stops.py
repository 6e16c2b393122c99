"""A base model trained with a chat template stops within its trained end of turn: in chat, folded, as a GGUF, exported.

The base is one without chat: its EOS is <|endoftext|>, and the template's control tokens are added tokens that no
setting names as an end.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer

from tests.running import checked, context
from tests.toys import toy_dataset, toy_model
from workbench.compression.jobs.quantize import Quantize
from workbench.core.home import Home
from workbench.core.lineage import read_manifest, write_manifest
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.jobs.job import Job
from workbench.merging.jobs.merge import Merge
from workbench.models.jobs.fold_adapter import Fold
from workbench.rendering.rendered import Tokenizer as FolderTokenizer
from workbench.rendering.rendered import render_prompt
from workbench.rendering.templates import get_template
from workbench.training.jobs.train import Train

pytestmark = [pytest.mark.prove, pytest.mark.usefixtures("exact")]
ENDS = {"chatml": "<|im_end|>", "llama3": "<|eot_id|>", "gemma": "<end_of_turn>"}
ADDED = {
    "chatml": [], "llama3": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "gemma": ["<start_of_turn>", "<end_of_turn>"],
}  # fmt: skip
ASKED: list[dict[str, Any]] = [{"role": "user", "content": "Tell me of the red apple."}]
MOST = 60


def base_model(home: Home, template: str) -> Path:
    """A toy that knows the template's control tokens, but neither the template nor that they end anything."""
    folder = toy_model(home, hidden=96)
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.add_special_tokens([AddedToken(text, special=True) for text in ADDED[template]])
    backend.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").unlink()
    only_eos(folder)
    _resize(folder, backend.get_vocab_size())
    write_manifest(folder, read_manifest(folder))
    return folder


def only_eos(folder: Path) -> None:
    """Its settings name <|endoftext|> as the only end."""
    for name in ("config.json", "generation_config.json"):
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**settings, "eos_token_id": 0, "bos_token_id": 0, "pad_token_id": 0}))


def _resize(folder: Path, rows: int) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(rows, mean_resizing=False)
    model.save_pretrained(folder)


def run(home: Home, job: Job) -> str:
    checked(home, job)
    return str(job.run(context(home, f"job-{len(list(home.jobs.iterdir()))}"))["model"])


def finish(home: Home, name: str) -> tuple[str, str]:
    engine = Engine(home)
    list(engine.load([name]))
    (answer,) = engine.answering(name).answer_batch([ASKED], Decoding(greedy=True, max_new_tokens=MOST))
    return answer.finish, answer.text


def generated(folder: Path) -> str:
    """The last token that plain transformers makes of a model folder, with the folder's own settings."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = FolderTokenizer.load(folder)
    ids = render_prompt(ASKED, tokenizer, get_template("model", folder)).ids
    made = AutoModelForCausalLM.from_pretrained(folder).generate(
        torch.tensor([ids]), max_new_tokens=MOST, do_sample=False
    )
    return str(tokenizer.backend.id_to_token(int(made[0, -1])))


@pytest.mark.parametrize("template", list(ENDS))
def test_a_base_trained_with_a_template_stops_at_its_end_of_turn(own_home: Path, template: str) -> None:
    home = Home.at(own_home)
    base_model(home, template)
    toy_dataset(home)
    whole = {"tuner": "full", "max_steps": 200, "objective": {"method": "sft", "learning_rate": 0.005}}
    stops_everywhere(home, trained(home, template, "toy", whole), template)


@pytest.mark.parametrize("template", list(ENDS))
def test_an_adapter_folded_into_a_base_stops_at_its_end_of_turn(own_home: Path, template: str) -> None:
    """The base answers in the template already, and still names no end but its EOS."""
    home = Home.at(own_home)
    base_model(home, template)
    toy_dataset(home)
    whole = {"tuner": "full", "max_steps": 200, "objective": {"method": "sft", "learning_rate": 0.005}}
    base = trained(home, template, "toy", whole)
    only_eos(home.models / base)
    lora = {"tuner": {"method": "lora", "r": 4}, "max_steps": 4}
    adapter = trained(home, template, base, lora)
    assert finish(home, adapter)[0] == "eos"
    stops_everywhere(home, run(home, Fold(adapter=adapter, output="folded")), template)


def trained(home: Home, template: str, model: str, settings: dict[str, Any]) -> str:
    common = {"model": model, "dataset": "talks", "template": template, "batch_size": 8, "warmup": 0.0}
    return run(home, Train.parse({**common, **settings, "output": f"{model}-taught"}))


def quantized(home: Home, name: str) -> str:
    """The model in eight bits, by absmax."""
    job = Quantize.parse({"model": name, "quantizers": [{"method": "absmax"}]})
    checked(home, job)
    job.run(context(home, "quantize-absmax"))
    return next(made for made, _ in job.variants())


def merged(home: Home, name: str) -> str:
    """The model merged with the base it was trained from, nearly all of it its own."""
    recipe = {
        "merge_method": "linear", "dtype": "float32",
        "models": [
            {"model": name, "parameters": {"weight": 0.98}}, {"model": "toy", "parameters": {"weight": 0.02}},
        ],
        "tokenizer_source": name,
    }  # fmt: skip
    return run(home, Merge.parse({"recipe": recipe, "output": f"{name}-merged"}))


def stops_everywhere(home: Home, name: str, template: str) -> None:
    """In chat, in plain transformers also quantized and merged, and as a GGUF, whose Modelfile names the stop too."""
    assert finish(home, name)[0] == "eos", finish(home, name)
    assert generated(home.models / name) == ENDS[template]
    job = Quantize.parse({"model": name, "quantizers": [{"method": "gguf", "type": "F16"}]})
    checked(home, job)
    job.run(context(home, "quantize"))
    (made,) = [made for made, _ in job.variants()]
    assert finish(home, made)[0] == "eos"
    for other in (quantized(home, name), merged(home, name)):
        assert generated(home.models / other) == ENDS[template]
    assert f'PARAMETER stop "{ENDS[template]}"' in (home.models / made / "Modelfile").read_text()
