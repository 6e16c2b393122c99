"""One tokenizer per model: transformers reads from a folder what tokenizer.json says, or the folder is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.toys import toy_home, toy_model
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.jobs.job import JOBS, JobContext
from workbench.models.model_import import import_folder
from workbench.models.tokenizer_check import check_tokenizer
from workbench.rendering.templates import Template

pytestmark = pytest.mark.usefixtures("exact")
CONFIG = "tokenizer_config.json"


def change(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def numbers_in_pairs(folder: Path) -> None:
    """12 and 34 are tokens, which a class of transformers that splits every number into its digits never makes."""
    rules = json.loads((folder / "tokenizer.json").read_text())
    rules["model"]["vocab"] |= {"12": 398, "34": 399}
    rules["model"]["merges"] = [["1", "2"], ["3", "4"], *rules["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(rules))


def other_class(folder: Path) -> None:
    """A tokenizer of its own under the name of a class that transformers makes anew, and splits otherwise."""
    numbers_in_pairs(folder)
    change(folder / CONFIG, tokenizer_class="Qwen2Tokenizer")


def qwen_layout(folder: Path) -> None:
    """A Qwen2 with a tokenizer of its own: transformers takes Qwen2's class for it, whatever the folder names."""
    numbers_in_pairs(folder)
    change(folder / "config.json", model_type="qwen2", architectures=["Qwen2ForCausalLM"])


def named_token(folder: Path) -> None:
    """A token that only tokenizer_config.json names, and the chat template writes."""
    added = {"400": {"content": "<turn>", "special": True}}
    change(folder / CONFIG, added_tokens_decoder=added)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}<turn>{{ m.content }}{% endfor %}")


def unknown_class(folder: Path) -> None:
    change(folder / CONFIG, tokenizer_class="MarianTokenizer")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(Home.at(tmp_path_factory.mktemp("sound")))


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(sound, copy, ignore=shutil.ignore_patterns("manifest.yaml"))
    return copy


REFUSED = [
    (other_class, "transformers (Qwen2Tokenizer) makes other ids of", '"tokenizer_class": "PreTrainedTokenizerFast"'),
    (qwen_layout, "transformers (Qwen2Tokenizer) makes other ids of", "that class for every qwen2 model"),
    (named_token, "names '<turn>' as a token, which tokenizer.json reads as letters", "save it with transformers"),
    (unknown_class, "transformers cannot read its tokenizer", "PreTrainedTokenizerFast"),
]


@pytest.mark.parametrize(("harm", "says", "remedy"), REFUSED)
def test_a_tokenizer_that_transformers_reads_otherwise_is_refused_with_the_text(
    folder: Path, harm: Callable[[Path], None], says: str, remedy: str
) -> None:
    harm(folder)
    with pytest.raises(UserError) as caught:
        check_tokenizer(folder)
    assert says in caught.value.message and remedy in caught.value.remedy


def test_the_first_text_that_differs_is_named(folder: Path) -> None:
    other_class(folder)
    with pytest.raises(UserError, match="12345678"):
        check_tokenizer(folder)


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "qwen3", "gemma"])
def test_naming_no_class_helps(folder: Path, model_type: str) -> None:
    change(folder / "config.json", model_type=model_type)
    other_class(folder)
    with pytest.raises(UserError, match="PreTrainedTokenizerFast"):
        check_tokenizer(folder)
    change(folder / CONFIG, tokenizer_class="PreTrainedTokenizerFast")
    check_tokenizer(folder)


def test_saving_the_tokenizer_anew_helps(folder: Path) -> None:
    from transformers import AutoTokenizer

    qwen_layout(folder)
    notes: list[str] = []
    check_tokenizer(folder, note=notes.append)  # a job with a model that has been on the shelf goes on, and says so
    assert len(notes) == 1 and "This job takes those of tokenizer.json. It takes that class for every" in notes[0]
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    check_tokenizer(folder)


def test_no_template_no_settings_or_no_tokenizer_are_nothing_that_differs(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    check_tokenizer(folder)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('No chats.') }}")
    check_tokenizer(folder)
    (folder / "chat_template.jinja").write_text(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )
    check_tokenizer(folder)
    (folder / "tokenizer.json").unlink()
    check_tokenizer(folder)


def test_a_template_is_held_against_what_it_is_to_be_used_with(folder: Path) -> None:
    named_token(folder)
    (folder / "chat_template.jinja").unlink()
    check_tokenizer(folder)
    with pytest.raises(UserError, match="'<turn>'"):
        check_tokenizer(folder, Template("custom", "<turn>{{ messages[0].content }}", "typed in"))


def test_an_import_looks_at_it_and_the_shelf_stays_as_it_was(own_home: Path, folder: Path) -> None:
    home = Home.at(own_home)
    assert import_folder(home, folder, "right").kind == "model"
    other_class(folder)
    with pytest.raises(UserError, match="makes other ids of"):
        import_folder(home, folder, "wrong")
    assert [path.name for path in home.models.iterdir()] == ["right"]


def test_training_refuses_it_before_a_step_and_saves_what_transformers_reads_alike(own_home: Path) -> None:
    home = toy_home(own_home)
    recipe = {"method": "train", "model": "toy", "dataset": "talks", "max_steps": 1}
    work = home.jobs / "j"
    work.mkdir()
    check_tokenizer(home.models / JOBS.parse(recipe).run(JobContext(home, work))["model"])
    other_class(home.models / "toy")
    with pytest.raises(UserError, match="makes other ids of"):
        JOBS.parse({**recipe, "output": "never"}).run(JobContext(home, work))
    assert not (home.models / "never").exists()
