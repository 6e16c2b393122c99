"""What is asked of every architecture after training and folding: merging, GGUF, reading, parity and stops."""

from typing import Any

import torch
from safetensors.torch import load_file

from tests.prove.architectures import Case, source
from tests.running import run
from tests.toys import EXACT, conversations
from workbench.compression.jobs.parity import Parity
from workbench.compression.jobs.quantize import Quantize
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.merging.jobs.merge import Merge
from workbench.models.hollow import ParameterLayout, hollow
from workbench.models.model_import import import_folder
from workbench.models.model_references import ANSWERS


def answers(home: Home, name: str) -> None:
    """The model loads and makes a few tokens."""
    ANSWERS.resolve(home, name)
    engine = opened(home, name)
    stream = engine.answering(name).open([{"role": "user", "content": "Say something."}], Decoding(max_new_tokens=8))
    while not stream.finish:
        stream.advance()


def opened(home: Home, *names: str) -> Engine:
    """A chat engine with these loaded, in float32."""
    engine = Engine(home, EXACT)
    list(engine.load(list(names)))
    return engine


def merged(case: Case) -> None:
    """The mean of two models, tensor by tensor, nothing left out; it answers where its parents do."""
    first, other, output = case.needs("import"), f"{case.name}-other", f"{case.name}-merged"
    import_folder(case.home, source(case.name, case.source.with_name(other), seed=1), other)
    half: dict[str, Any] = {"parameters": {"weight": 0.5}}
    recipe = {"merge_method": "linear", "models": [{"model": one, **half} for one in (first, other)]}
    recipe |= {"dtype": "float32"}
    run(case.home, Merge(output=output, recipe=recipe, proof={"enabled": False}, verify=False))
    one, two, made = (_tensors(case.home, name) for name in (first, other, output))
    assert made.keys() == one.keys() or _same_parameters(case.home, first, output)
    assert all(torch.allclose(made[name], (one[name] + two[name]) / 2, atol=1e-6) for name in one.keys() & made.keys())
    case.made["merge"] = output
    if "chat" in case.made:
        answers(case.home, output)


def _tensors(home: Home, name: str) -> dict[str, torch.Tensor]:
    parts = sorted((home.models / name).glob("*.safetensors"))
    return {key: value for path in parts for key, value in load_file(path).items()}


def _same_parameters(home: Home, *names: str) -> bool:
    """Whether transformers makes the same parameters of these, however their files name them."""
    found = []
    for name in names:
        shapes = {key: tuple(value.shape) for key, value in _tensors(home, name).items()}
        found.append(set(ParameterLayout(hollow(home.models / name), shapes).of_parameter))
    return found[0] == found[1]


def quantized(case: Case) -> None:
    """GGUFs of 16 and of 8 bits are made of one conversion, and the first answers."""
    types = ("F16", "Q8_0")
    job = Quantize(model=case.needs("import"), quantizers=[{"method": "gguf", "type": kind} for kind in types])
    run(case.home, job)
    f16, case.made["Q8_0"] = (name for name, *_ in job.variants())
    answers(case.home, f16)
    case.made["GGUF F16"] = f16


def answers_in_8_bits(case: Case) -> None:
    """So does the second."""
    answers(case.home, case.needs("Q8_0"))


def reads(case: Case) -> None:
    """The GGUF writes and reads 20 conversations as its source does."""
    gguf, model = case.needs("GGUF F16"), case.needs("import")
    engine = opened(case.home, gguf, model)
    file = engine.model(gguf)
    for number, row in enumerate(conversations(20)):
        said = [*row["messages"], {"role": "user", "content": f"And é 🙂 {number}?"}]
        prompt = engine.model(model).prompt(said)
        if file.prompt_text(said) != prompt.text or file.model.tokenize(prompt.text) != prompt.ids:
            raise UserError(f"Conversation {number + 1} is read as other tokens.")


def parity(case: Case) -> None:
    """The GGUF of 16 bits answers as its source, but for what nearly ties."""
    result = run(case.home, Parity(model=case.needs("GGUF F16"), number=3, tokens=16))
    differences = result["read_alike"] - result["same_answers"]
    if result["read_alike"] < 3 or result["near_ties"] < differences:
        raise UserError(f"{result['agreement']:.0%} of the tokens come before a difference.")


def stops(case: Case) -> None:
    """The folded model ends an answer where its source does, and so does the GGUF.

    llama.cpp ends it at every token that looks like an end, <|endoftext|> for one, whatever the model learned.
    """
    names = [case.needs(column) for column in ("import", "fold", "GGUF F16")]
    engine = opened(case.home, *names)
    said = [{"role": "user", "content": "Say something."}]
    found = [set(engine.answering(name).open(said, Decoding()).stops) for name in names]
    assert found[0]
    if found[0] != found[1] or not found[0] <= found[2]:
        raise UserError(f"They stop at {', '.join(map(str, map(sorted, found)))}.")
