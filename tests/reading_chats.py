"""A model of the shelf through training, folding and conversion, its chats read as the same ids everywhere."""

from tests.running import run
from tests.toys import toy_dataset
from workbench.compression.jobs.quantize import Quantize
from workbench.core.home import Home
from workbench.gguf.tokenizing import tokenize
from workbench.models.chat_tokens import sample_chats
from workbench.models.jobs.fold_adapter import Fold
from workbench.models.model_references import gguf_file
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.training.jobs.train import Train


def one_reading(home: Home, base: str) -> None:
    """Fails unless the trained, the folded and the converted model read the template's chats alike."""
    from transformers import AutoTokenizer

    toy_dataset(home)
    train = {"model": base, "dataset": "talks", "max_steps": 2, "tuner": {"method": "lora", "r": 4}, "output": "taught"}
    run(home, Train.parse(train))
    run(home, Fold(adapter="taught", output="folded"))
    job = Quantize.parse({"model": "folded", "quantizers": [{"method": "gguf", "type": "F16"}]})
    run(home, job)
    ((converted, _),) = job.variants()
    trained = Tokenizer.load(home.models / "taught")
    chats = sample_chats(trained, get_template("model", home.models / "taught"))
    ids = [encoding.ids for encoding in trained.encode(chats)]
    assert len(chats) >= 10
    assert all(any(token in trained.special_ids for token in chat[1:]) for chat in ids)
    assert [one.ids for one in Tokenizer.load(home.models / "folded").encode(chats)] == ids
    theirs = AutoTokenizer.from_pretrained(home.models / "folded")
    assert theirs(chats, add_special_tokens=False)["input_ids"] == ids
    assert tokenize(gguf_file(home, converted), chats) == ids
