"""GGUF models in the chat engine: the same text, tokens and words as the model they were made from."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import TopPLogitsWarper

from tests.toys import toy_dataset, toy_model
from tests.waiting import end_processes_of, until
from workbench.chat import engine as engine_module
from workbench.chat import spare
from workbench.chat.decoding import Decoding
from workbench.chat.engine import Engine
from workbench.chat.gguf_lora import can_answer, check_pair
from workbench.chat.service import ChatService
from workbench.chat.streams import Stream, TopP
from workbench.compressing import parity
from workbench.errors import Problems, SpecError, UserError
from workbench.hardware import Hardware
from workbench.home import Home, writing
from workbench.jobs.job import JobContext
from workbench.jobs.kinds.fold import Fold
from workbench.jobs.kinds.generate import Generate
from workbench.jobs.kinds.parity import Parity
from workbench.lineage import Manifest, parent_of, write_manifest
from workbench.models.loading import load_base, load_tokenizer
from workbench.models.shelf import delete_model

EXACT = Hardware(device="cpu", cores=1, bf16=False)
ASKED = [{"role": "user", "content": "Tell me of the red apple."}]
LONGER = [{"role": "user", "content": "Tell me of the blue sky and of the quiet lake, at some length, né 🙂."}]
GREEDY = Decoding(greedy=True, max_new_tokens=24)
HEADS, KV_HEADS = 4, 2


def reordered(weight: np.ndarray, heads: int) -> np.ndarray:
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def toy_gguf(home: Home, source: str = "toy", name: str = "toy-f32", **changes: Any) -> Path:
    """The toy Llama as a GGUF in float32, rows of q and k in llama.cpp's order."""
    folder = home.models / source
    config = json.loads((folder / "config.json").read_text())
    with writing(home.models / name, replace=True) as made:
        writer = gguf.GGUFWriter(made / "model.gguf", "llama")
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KV_HEADS)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_rope_dimension_count(config["hidden_size"] // HEADS)
        writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
        writer.add_vocab_size(config["vocab_size"])
        writer.add_file_type(0)
        write_tokenizer(writer, folder, config["vocab_size"], **changes)
        write_tensors(writer, folder, config["num_hidden_layers"])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        info = {"architecture": "llama", "type": "F32"}
        parents = [parent_of(folder, "quantized")]
        write_manifest(made, Manifest(kind="gguf", name=name, parents=parents, info=info))
    return home.models / name


def write_tokenizer(
    writer: gguf.GGUFWriter, folder: Path, size: int, template: str | None = None, add_bos: bool = False
) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    ids = {**data["model"]["vocab"], **{one["content"]: one["id"] for one in data["added_tokens"]}}
    special = {one["content"] for one in data["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    kinds = [gguf.TokenType.CONTROL if one in special else gguf.TokenType.NORMAL for one in tokens]
    unused = size - len(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*tokens, *(f"[PAD{n}]" for n in range(unused))])
    writer.add_token_types([*kinds, *[gguf.TokenType.UNUSED] * unused])
    writer.add_token_merges([" ".join(pair) for pair in data["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(add_bos)
    writer.add_chat_template(template if template is not None else (folder / "chat_template.jinja").read_text())


def write_tensors(writer: gguf.GGUFWriter, folder: Path, blocks: int) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, blocks)
    with safe_open(folder / "model.safetensors", framework="np") as file:
        for key in file.keys():  # noqa: SIM118  (safe_open is no dict)
            weight = file.get_tensor(key)
            if "q_proj" in key or "k_proj" in key:
                weight = reordered(weight, HEADS if "q_proj" in key else KV_HEADS)
            writer.add_tensor(names.get_name(key, (".weight",)), weight.astype(np.float32))


def toy_lora(home: Home, name: str, base: str = "toy", **changes: Any) -> None:
    """A LoRA with large random weights on every linear layer."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": "all-linear", **changes})
    model = get_peft_model(load_base(home.models / base, EXACT), config)
    torch.manual_seed(5)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "lora_" in key:
                weight.normal_(0, 0.2)
    with writing(home.models / name, replace=True) as folder:
        model.save_pretrained(folder)
        load_tokenizer(home.models / base).save_pretrained(folder)
        write_manifest(folder, Manifest(kind="adapter", name=name, parents=[parent_of(home.models / base, "base")]))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.at(tmp_path_factory.mktemp("gguf"))
    toy_model(home, lessons=60)
    toy_model(home, "other", seed=1)
    toy_gguf(home)
    toy_lora(home, "a")
    toy_dataset(home)
    return home.root


@pytest.fixture
def home(toys: Path, own_home: Path) -> Home:
    shutil.copytree(toys, own_home)
    return Home.at(own_home)


@pytest.fixture
def engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(engine_module, "probe", lambda: EXACT)
    return Engine(home)


def load(engine: Engine, *names: str) -> Engine:
    list(engine.load(names))
    return engine


def say(engine: Engine, name: str, decoding: Decoding = GREEDY, messages: Any = ASKED) -> str:
    stream = engine.open(name, messages, decoding)
    while not stream.done:
        stream.advance()
    return stream.text


def run(home: Home, job: Any) -> dict[str, Any]:
    """Checks and runs a job in this process."""
    problems = Problems()
    job.check(home, problems)
    problems.check()
    folder = home.jobs / f"job-{len(list(home.jobs.iterdir()))}"
    folder.mkdir()
    return job.run(JobContext(home, folder))


# ---- the same as the model it was made from ----------------------------------------------------------------


def test_prompt_and_logits_are_the_source_s(engine: Engine) -> None:
    load(engine, "toy", "toy-f32")
    for messages in (ASKED, LONGER, [{"role": "system", "content": "Be brief."}, *ASKED]):
        ids = engine.prompt_ids("toy", messages)
        assert engine.prompt_ids("toy-f32", messages) == ids
        expected = engine.activate("toy")(input_ids=torch.tensor([ids])).logits[:, -1]
        made = engine.open("toy-f32", messages, GREEDY).logits()
        assert (made - expected).abs().max() < 0.005  # llama.cpp remembers keys and values in 16 bits


@pytest.mark.parametrize(
    "decoding",
    [
        GREEDY,
        GREEDY.model_copy(update={"repetition_penalty": 1.3}),
        Decoding(temperature=1.2, top_k=30, top_p=0.9, max_new_tokens=24, seed=3),
        Decoding(temperature=1.5, top_p=1, max_new_tokens=24, seed=4, repetition_penalty=1.2),
    ],
)
def test_settings_and_seeds_mean_what_they_mean_for_the_source(decoding: Decoding, engine: Engine) -> None:
    load(engine, "toy", "toy-f32")
    assert say(engine, "toy-f32", decoding) == say(engine, "toy", decoding) != ""


def test_a_batch_says_what_streams_say(engine: Engine) -> None:
    load(engine, "toy-f32")
    asked = [ASKED, LONGER, [{"role": "user", "content": "Tell me of the red apple number 3."}]] * 4
    heard: list[int] = []
    answers = engine.answer_batch("toy-f32", asked, GREEDY, heard.append)
    assert [answer.text for answer in answers] == [say(engine, "toy-f32", messages=one).strip() for one in asked]
    assert set(heard) == set(range(12))


def test_a_batch_follows_its_seed_and_its_answers_differ(engine: Engine) -> None:
    load(engine, "toy-f32")
    warm = Decoding(temperature=2, max_new_tokens=12, seed=3)
    first, second, other = (
        [answer.text for answer in engine.answer_batch("toy-f32", [ASKED] * 3, warm.model_copy(update={"seed": seed}))]
        for seed in (3, 3, 9)
    )
    assert first == second != other and len(set(first)) == 3


def test_answers_made_in_turns_are_those_made_one_by_one(engine: Engine) -> None:
    load(engine, "toy", "toy-f32")
    asked = {("toy-f32", 0): ASKED, ("toy", 0): ASKED, ("toy-f32", 1): LONGER}
    alone = {key: say(engine, key[0], messages=messages) for key, messages in asked.items()}
    streams = {key: engine.open(key[0], messages, GREEDY) for key, messages in asked.items()}
    while any(not stream.done for stream in streams.values()):
        for stream in streams.values():
            if not stream.done:
                stream.advance(1)
    assert {key: stream.text for key, stream in streams.items()} == alone


# ---- prompts, ends and lengths -----------------------------------------------------------------------------


def test_the_prompt_begins_with_bos_only_if_the_template_writes_it(home: Home, engine: Engine) -> None:
    plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    toy_gguf(home, name="with", template="{{ bos_token }}" + plain, add_bos=True)
    toy_gguf(home, name="without", template=plain, add_bos=True)
    load(engine, "with", "without")
    (begun, bare) = (engine.prompt_ids(name, ASKED) for name in ("with", "without"))
    assert begun == [1, *bare] and 1 not in bare


def test_a_template_that_refuses_or_never_ends_is_said(home: Home, engine: Engine) -> None:
    toy_gguf(home, name="strict", template="{{ raise_exception('no system role') }}")
    toy_gguf(
        home, name="endless", template="{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )
    load(engine, "strict", "endless")
    with pytest.raises(UserError, match=r"one in strict.*no system role") as caught:
        engine.open("strict", ASKED, GREEDY)
    assert "without a system prompt" in caught.value.remedy
    with pytest.raises(UserError, match=r"one in endless.*did not end"):
        engine.open("endless", ASKED, GREEDY)


def test_a_file_without_a_template_gets_chatml(home: Home, engine: Engine) -> None:
    toy_gguf(home, name="bare", template="")
    load(engine, "toy", "bare")
    assert engine.prompt_ids("bare", ASKED) == engine.prompt_ids("toy", ASKED)


def test_ends_of_the_file_and_of_the_template_stop_an_answer(engine: Engine) -> None:
    load(engine, "toy-f32")
    assert engine.stop_ids("toy-f32") == {0, 2}  # <|endoftext|> and <|im_end|>
    stream = engine.open("toy-f32", ASKED, GREEDY.model_copy(update={"max_new_tokens": 200}))
    while not stream.done:
        stream.advance()
    assert stream.done == "eos" and "<|im_end|>" not in stream.text


def test_an_answer_stops_at_the_limit_and_tells_its_pace(engine: Engine) -> None:
    load(engine, "toy-f32")
    stream = engine.open("toy-f32", ASKED, GREEDY.model_copy(update={"max_new_tokens": 3}))
    while not stream.done:
        stream.advance(1)
    assert (stream.done, len(stream.made)) == ("length", 3) and stream.seconds > 0 and stream.note == ""


def test_a_conversation_that_is_too_long_is_refused(engine: Engine) -> None:
    load(engine, "toy-f32")
    long = [{"role": "user", "content": "red apple " * 400}]
    with pytest.raises(UserError, match="toy-f32 takes 512") as caught:
        engine.open("toy-f32", long, GREEDY)
    assert "Start a new one" in caught.value.remedy
    first, second = engine.answer_batch("toy-f32", [long, ASKED], GREEDY)
    assert (first.finish, first.text, first.tokens) == ("error", "", 0) and second.text


def test_a_long_prompt_is_read_in_parts_between_which_it_can_be_stopped(engine: Engine) -> None:
    load(engine, "toy-f32")
    long = [{"role": "user", "content": "Tell me of the red apple. " * 36 + "Of the quiet lake?"}]
    stream = engine.open("toy-f32", long, GREEDY)
    assert isinstance(stream, Stream) and 256 < len(stream.prompt) < 480
    assert stream.advance() == "" and stream.made == []
    assert stream.note == f"Reading the conversation: 256 of {len(stream.prompt)} tokens"
    while not stream.done:
        stream.advance()
    (whole,) = engine.answer_batch("toy-f32", [long], GREEDY)
    assert stream.note == "" and stream.text.strip() == whole.text != ""


def test_an_answer_ends_where_the_model_ends(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, "toy-f32")
    room = 512 - len(engine.prompt_ids("toy-f32", ASKED))
    stream = engine.open("toy-f32", ASKED, GREEDY.model_copy(update={"max_new_tokens": 4000}))
    monkeypatch.setattr(stream, "_choose", lambda _: 50)
    while not stream.done:
        stream.advance(64)
    assert (stream.done, len(stream.made)) == ("length", room)


def test_a_character_of_several_tokens_appears_whole(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, "toy-f32")
    stream = engine.open("toy-f32", ASKED, GREEDY)
    ids = iter(engine.tokenizer("toy-f32").model.tokenize("né 🙂"))
    monkeypatch.setattr(stream, "_choose", lambda _: next(ids, 2))
    parts = []
    while not stream.done:
        parts.append(stream.advance(1))
    assert "".join(parts) == "né 🙂" and not any("\ufffd" in part for part in parts)


# ---- how tokens are chosen and threads counted -------------------------------------------------------------


@pytest.mark.parametrize("top_p", [0.1, 0.9, 0.999])
@pytest.mark.parametrize("spread", [0.01, 1, 6])
def test_top_p_keeps_what_transformers_keeps(spread: float, top_p: float) -> None:
    torch.manual_seed(1)
    scores = torch.randn(1, 5000) * spread
    scores[0, ::3] = -torch.inf  # as top-k leaves them
    whole = TopPLogitsWarper(top_p)
    assert torch.equal(TopP(whole)(torch.zeros(1, 1), scores), whole(torch.zeros(1, 1), scores))


@pytest.mark.parametrize(
    ("used", "ours", "threads"), [([0, 0], 0, 2), ([95, 95], 190, 2), ([100, 100], 0, 1), ([90, 80], 60, 1)]
)
def test_threads_are_the_cores_others_leave(
    used: list[float], ours: float, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = spare.Spare(2)
    monkeypatch.setattr(spare, "LOOK_EVERY", 0)
    monkeypatch.setattr(made._process, "cpu_affinity", lambda: [1, 2], raising=False)
    monkeypatch.setattr(made._process, "cpu_percent", lambda: ours)
    monkeypatch.setattr(spare.psutil, "cpu_percent", lambda percpu: [100, *used, 100])
    assert made.threads() == threads


def test_the_number_of_threads_changes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, "toy-f32")
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(engine._ggufs.spare, "threads", lambda threads=threads: threads)
        stream = engine.open("toy-f32", [{"role": "user", "content": "Tell me of the red apple. " * 44}], GREEDY)
        assert isinstance(stream, Stream)
        stream.logits()
        stream.made.append(50)
        found.append(stream.logits())
    assert torch.equal(*found)


# ---- what is in memory -------------------------------------------------------------------------------------


def test_one_file_is_in_memory_once_and_dropped_when_no_longer_asked_for(home: Home, engine: Engine) -> None:
    toy_gguf(home, name="second", source="other")
    load(engine, "toy-f32", "second")
    kept = engine._ggufs._models.copy()
    assert len(kept) == 2
    load(engine, "toy-f32")
    assert list(engine._ggufs._models.values()) == [kept[engine.tokenizer("toy-f32").digest]]
    with pytest.raises(KeyError):
        engine.weights("second")
    load(engine, "toy")
    assert not engine._ggufs._models and not engine._ggufs._names


def test_memory_is_given_back(engine: Engine) -> None:
    import gc
    import weakref

    load(engine, "toy-f32")
    stream = engine.open("toy-f32", ASKED, GREEDY)
    stream.advance(2)
    model, context = weakref.ref(engine.tokenizer("toy-f32").model), weakref.ref(stream._context)
    load(engine, "toy")
    assert stream.advance(1) is not None and model()  # an answer under way keeps its model
    del stream
    gc.collect()
    assert model() is None and context() is None


def test_a_name_that_came_to_mean_another_file_answers_with_that(home: Home, engine: Engine) -> None:
    load(engine, "toy-f32")
    before, said = engine.weights("toy-f32"), say(engine, "toy-f32")
    toy_gguf(home, source="other")
    load(engine, "toy-f32")
    assert engine.weights("toy-f32") != before and say(engine, "toy-f32") != said


def test_the_pane_says_which_file_answers(engine: Engine) -> None:
    load(engine, "toy-f32")
    assert engine.weights("toy-f32").startswith("toy-f32 · GGUF F32 · ")


def test_a_file_that_is_none_is_said_and_the_engine_goes_on(home: Home, engine: Engine) -> None:
    path = home.models / "toy-f32" / "model.gguf"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError):
        load(engine, "toy-f32")
    load(engine, "toy")
    assert say(engine, "toy") is not None


# ---- adapters ----------------------------------------------------------------------------------------------


def folded_gguf(home: Home, adapter: str, name: str) -> None:
    job = Fold(adapter=adapter)
    run(home, job)
    toy_gguf(home, source=job.output_name, name=name)


def logits(engine: Engine, name: str) -> torch.Tensor:
    stream = engine.open(name, LONGER, GREEDY)
    assert isinstance(stream, Stream)
    return stream.logits()


@pytest.mark.parametrize(
    "changes",
    [{}, {"use_rslora": True}, {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"down_proj": 3}}],
    ids=["plain", "rslora", "patterns"],
)
def test_an_adapter_on_a_gguf_answers_as_when_folded_in(changes: Any, home: Home, engine: Engine) -> None:
    toy_lora(home, "lora", **changes)
    folded_gguf(home, "lora", "folded-f32")
    load(engine, "toy-f32", "toy-f32+lora", "folded-f32", "lora")
    both = [logits(engine, name) for name in ("toy-f32+lora", "folded-f32", "lora")]
    assert (both[0] - both[1]).abs().max() < 0.02 * both[1].abs().max()
    assert (both[0] - logits(engine, "toy-f32")).abs().max() > 0.1 * both[1].abs().max()
    assert say(engine, "toy-f32+lora") == say(engine, "folded-f32") == say(engine, "lora") != say(engine, "toy-f32")
    assert "toy-f32 · GGUF F32 + adapter lora on · " in engine.weights("toy-f32+lora")
    assert len(engine._ggufs._models) == 2


@pytest.mark.parametrize(
    ("adapter", "changes", "says"),
    [
        ("toy", {}, "is no adapter"),
        ("strange", {"base": "other"}, "was not made from that"),
        ("dora", {"use_dora": True}, "uses DoRA"),
        ("missing", None, "There is no model 'missing'"),
    ],
)
def test_an_adapter_that_cannot_be_added_is_refused(adapter: str, changes: Any, says: str, home: Home) -> None:
    if changes:
        toy_lora(home, adapter, **changes)
    with pytest.raises(UserError, match=says):
        check_pair(home, f"toy-f32+{adapter}")


def test_only_a_gguf_takes_an_adapter_after_a_plus(engine: Engine) -> None:
    with pytest.raises(UserError, match="'toy' is no GGUF model"):
        load(engine, "toy+a")


def test_a_gguf_needs_nothing_of_its_source_on_the_shelf(home: Home, engine: Engine) -> None:
    delete_model(home, "a")
    delete_model(home, "toy")
    load(engine, "toy-f32")
    assert say(engine, "toy-f32")


# ---- parity ------------------------------------------------------------------------------------------------


def test_a_faithful_gguf_agrees_to_the_last_token(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "probe", lambda: EXACT)
    result = run(home, Parity(model="toy-f32", prompts="talks", number=6, tokens=16))
    assert (result["source"], result["type"], result["source_dtype"]) == ("toy", "F32", "float32")
    assert result["prompts"] == result["written_alike"] == result["read_alike"] == result["same_answers"] == 6
    assert result["agreement"] == 1 and not result["differences"] and result["tokens"] > 12
    assert result["sentences"] == [
        "6 of 6 prompts are read as the same tokens.",
        "6 of 6 answers are the same to the end; 100.0 % of the tokens come before a difference.",
    ]


def test_a_gguf_of_other_weights_is_found_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "probe", lambda: EXACT)
    toy_gguf(home, name="wrong", source="other")
    result = run(home, Parity(model="wrong", source="toy", prompts="talks", number=3, tokens=16))
    assert result["same_answers"] == 0 and result["agreement"] < 0.5
    first = result["differences"][0]
    assert first["token"] == 1 and first["gap"] > 0 and first["source"] != first["gguf"] and first["before"] == ""
    assert "the conversion may be at fault" in result["sentences"][-1]


def test_another_template_and_other_tokens_are_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "probe", lambda: EXACT)
    toy_gguf(home, name="turned", template="{% for m in messages %}{{ m['content'] }}{% endfor %}")
    result = run(home, Parity(model="turned", number=3, tokens=4))
    assert (result["written_alike"], result["read_alike"], result["same_answers"]) == (0, 3, 3)
    assert any("in a chat it reads something else" in said for said in result["sentences"])
    monkeypatch.setattr(engine_module.Ggufs, "load", renamed(engine_module.Ggufs.load))
    result = run(home, Parity(model="turned", number=3, tokens=4))
    assert (result["read_alike"], result["agreement"], result["tokens"]) == (0, 0, 0)
    assert "the tokenizers differ" in result["sentences"][1]


def renamed(load: Any) -> Any:
    """Loading, after which llama.cpp reads text as the tokens next to the right ones."""

    def loaded(self: Any, names: Any) -> Iterator[str]:
        yield from load(self, names)
        for model in self._models.values():
            model.tokenize = lambda text, right=model.tokenize: [token + 1 for token in right(text)]

    return loaded


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": "toy"}, "'toy' is no GGUF model"),
        ({"model": "toy-f32", "source": "toy-f32"}, "is a GGUF file"),
        ({"model": "toy-f32", "source": "tyo"}, "Did you mean toy"),
        ({"model": "toy-f32", "prompts": "nothing"}, "nothing"),
    ],
)
def test_a_parity_check_that_cannot_be_is_refused(settings: Any, says: str, home: Home) -> None:
    problems = Problems()
    Parity(**settings).check(home, problems)
    assert says in "\n".join(map(str, problems.found))


def test_near_ties_of_a_float_file_are_no_fault() -> None:
    figures = {"prompts": 4, "written_alike": 4, "read_alike": 4, "same_answers": 3, "agreement": 0.7, "near_ties": 1}
    assert "That is what to expect of F16" in parity.sentences(figures, "F16")[-1]
    assert "the conversion may be at fault" in parity.sentences({**figures, "near_ties": 0}, "F16")[-1]
    assert "Rounding to Q4_K_M" in parity.sentences({**figures, "near_ties": 0}, "Q4_K_M")[-1]


# ---- in Label and Compare ----------------------------------------------------------------------------------


def test_a_gguf_is_compared_in_a_labelling_session(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.preferences.sessions import get_session

    monkeypatch.setattr(engine_module, "probe", lambda: EXACT)
    warm = Decoding(temperature=2, max_new_tokens=8)
    models = ["toy", "toy-f32", "toy-f32+a"]
    run(home, Generate(session="three", models=models, prompts="talks", limit=4, batch_size=2, decoding=warm))
    made = get_session(home, "three")
    assert made.models == models and made.prompts == 4 and made.complete and made.usable > 0


def test_names_that_can_answer(home: Home) -> None:
    for name in ("toy", "toy-f32", "a", "toy-f32+a"):
        can_answer(home, name)
    for name in ("toy+a", "toy-f32+", "+a", "toy-f32+toy-f32", "../toy+a"):
        with pytest.raises(UserError):
            can_answer(home, name)


def test_the_chat_process_runs_ggufs_beside_other_models(home: Home) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(home.root))
        service = ChatService(home)
        try:
            service.send("two", ["toy-f32", "toy", "toy-f32+a"], "Hello", "", Decoding(temperature=2, max_new_tokens=8))
            panes = settled(service)
            assert [pane["state"] for pane in panes] == ["done"] * 3, [pane["error"] for pane in panes]
            assert "GGUF F32" in panes[0]["weights"] and "+ adapter a on" in panes[2]["weights"]
            assert all("tokens/s" in pane["messages"][1]["stats"] for pane in panes)
            service.send("two", ["toy-f32"], "Hello", "", Decoding(temperature=5, top_p=1, max_new_tokens=450))
            until(lambda: [m for m in service.chat("two").panes[0].messages if m["role"] == "assistant"], 60, "words")
            service.stop("two")
            assert settled(service)[0]["state"] in ("stopped", "done")
            with pytest.raises(SpecError, match="'toy' is no GGUF model"):
                service.send("two", ["toy+a"], "Hello", "", GREEDY)
        finally:
            service.close()
            end_processes_of(home.root)


def settled(service: ChatService) -> list[dict[str, Any]]:
    return until(lambda: view["panes"] if not (view := service.poll({"chat": "two"}))["busy"] else None, 120, "answers")
