"""Runs the converter in a process of its own. Started by `converting.py` as a script, isolated, one request on stdin.

What it needs is imported first; then no network, no program and no file outside the target's folder can be opened.
The last line of its output is JSON: {"architecture": …} or {"error": …, "kind": …}.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

FORBIDDEN = (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system",
    "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile", "pty.spawn",
)  # fmt: skip
SENTENCEPIECE = ("GemmaForCausalLM", "Gemma2ForCausalLM", "Phi3ForCausalLM")
WIDTHS = {
    "PhiForCausalLM": "intermediate_size", "FalconForCausalLM": "ffn_hidden_size", "GPT2LMHeadModel": "n_inner",
    "GPTBigCodeForCausalLM": "n_inner",
}  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> int:
    request = json.load(sys.stdin)
    try:
        answer = convert_here(request)
    except BaseException as error:
        answer = {"error": str(error)[:2000] or type(error).__name__, "kind": type(error).__name__}
    print("\n" + json.dumps(answer), flush=True)
    return "error" in answer


def convert_here(request: dict[str, Any]) -> dict[str, Any]:
    import torch
    import transformers

    target = Path(request["target"])
    _no_foreign_code(transformers)
    _confine(target.parent)
    sys.path.insert(0, request["wheel"])
    import gguf

    _name_missing_tensors(gguf)
    from conversion import ModelBase, ModelType, TextModel, get_model_architecture, get_model_class

    _name_unknown_tokenizers(TextModel, request["pre_tokenizer"])
    _name_ends_and_blanks(TextModel, gguf, request)
    model = Path(request["model"])
    types = {"F32": "ALL_F32", "F16": "MOSTLY_F16", "BF16": "MOSTLY_BF16"}
    with torch.inference_mode():
        settings = ModelBase.load_hparams(model, False)
        name = get_model_architecture(settings, ModelType.TEXT)
        kind = gguf.LlamaFileType[types[request["type"]]]
        converter = get_model_class(name)
        if request["byte_level"]:
            _take_byte_level(converter, TextModel, name)
        _take_pieces(converter, TextModel, name, request)
        renamed = {**_former_names(name, settings), **settings, **_true_settings(name, settings)}
        _scale_queries(converter, name, settings)
        conversion = converter(model, kind, target, model_name=request["name"], hparams=renamed)
        _tell_width(conversion, settings.get(WIDTHS.get(name, "")))
        conversion.write()
    return {"architecture": name}


def _former_names(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings the converter knows by the names they had before transformers 5, or wants though they may be left out.

    BLOOM's positions have no end (ALiBi); what it was trained on is 2,048 tokens, where no file says otherwise.
    """
    rope = settings.get("rope_parameters") or {}
    former: dict[str, dict[str, Any]] = {
        "GPT2LMHeadModel": {"n_ctx": settings.get("n_positions")},
        "GPTNeoXForCausalLM": {"rotary_pct": rope.get("partial_rotary_factor", 1.0)},
        "Cohere2ForCausalLM": {"rotary_pct": 1.0},
        "BloomForCausalLM": {"seq_length": 2048},
    }
    return former.get(name, {})


def _true_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings the converter takes by their word, though transformers reads them together with others.

    Falcon has one head for keys and values where `multi_query` says so, whatever `num_kv_heads` is.
    """
    if name == "FalconForCausalLM" and not settings.get("new_decoder_architecture"):
        heads = settings.get("num_attention_heads") or settings.get("n_head")
        return {"num_kv_heads": 1 if settings.get("multi_query", True) else heads}
    return {}


def _tell_width(conversion: Any, width: int | None) -> None:
    """Writes the true width of the MLP where the converter takes four times the model's for granted."""
    if width:
        write = conversion.gguf_writer.add_feed_forward_length
        conversion.gguf_writer.add_feed_forward_length = lambda _: write(width)


def _take_byte_level(converter: Any, text_model: Any, name: str) -> None:
    """Lets architectures whose own models have SentencePiece take a byte-level BPE: llama.cpp knows it in any file.

    Gemma 3 then cuts its embedding to the tokens that tokenizer.json names, while its list of them has all rows.
    """
    if name in SENTENCEPIECE:
        converter.set_vocab = text_model._set_vocab_gpt2
    if name.startswith("Gemma3For"):
        _keep_all_rows(converter, text_model)


def _keep_all_rows(converter: Any, text_model: Any) -> None:
    original = converter.modify_tensors

    def modify_tensors(self: Any, data: Any, tensor: str, layer: int | None) -> Any:
        modify = text_model.modify_tensors if "embed_tokens.weight" in tensor else original
        return modify(self, data, tensor, layer)

    converter.modify_tensors = modify_tensors


def _scale_queries(converter: Any, name: str, settings: dict[str, Any]) -> None:
    """Moves Gemma's own scaling of attention scores (`query_pre_attn_scalar`) into the weights that make the queries.

    llama.cpp divides by the root of the head's size, in models of as many layers as those of 27B by that of
    hidden_size / heads.
    """
    weights = {"Gemma2ForCausalLM": "q_proj.weight", "Gemma3ForCausalLM": "q_norm.weight"}
    weight = weights.get(name.replace("ConditionalGeneration", "CausalLM"))
    if not weight:
        return
    settings = {**settings, **settings.get("text_config", {})}
    scalar = settings.get("query_pre_attn_scalar", 256)
    size = settings.get("head_dim", 256)
    if settings["num_hidden_layers"] == {"q_proj.weight": 46, "q_norm.weight": 62}[weight]:
        size = settings["hidden_size"] // settings["num_attention_heads"]
    if size == scalar:
        return
    original = converter.modify_tensors

    def modify_tensors(self: Any, data: Any, tensor: str, layer: int | None) -> Any:
        share = (size / scalar) ** 0.5 if tensor.endswith(weight) else None
        for written, value in original(self, data, tensor, layer):
            yield written, value if share is None else value * share

    converter.modify_tensors = modify_tensors


def _name_missing_tensors(gguf: Any) -> None:
    """The module of all DeepSeek models names tensors of a draft model that its own gguf has not."""
    for name in ("DSPARK_MARKOV_W1", "DSPARK_MARKOV_W2", "DSPARK_CONF_PROJ"):
        if not hasattr(gguf.MODEL_TENSOR, name):
            setattr(gguf.MODEL_TENSOR, name, None)


def _no_foreign_code(transformers: Any) -> None:
    """The converter asks for trust_remote_code in places; it does not get it."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("the model wants to run its own Python code")

    transformers.dynamic_module_utils.get_class_from_dynamic_module = refused
    for loader in (transformers.AutoTokenizer, transformers.AutoConfig):
        loader.from_pretrained = _untrusting(loader.from_pretrained)


def _untrusting(load: Any) -> Any:
    def from_pretrained(*args: Any, **settings: Any) -> Any:
        return load(*args, **{**settings, "trust_remote_code": False, "local_files_only": True})

    return from_pretrained


def _confine(folder: Path) -> None:
    inside, allowed = str(folder.resolve()) + os.sep, (os.devnull,)

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event in FORBIDDEN:
            raise PermissionError(f"the converter tried {event}")
        if event == "open" and isinstance(details[0], str | bytes) and details[2] & WRITING:
            path = os.path.realpath(os.fsdecode(details[0]))
            if path not in allowed and not path.startswith(inside):
                raise PermissionError(f"the converter tried to write {path}")

    sys.addaudithook(watch)


def _name_unknown_tokenizers(model: Any, name: str) -> None:
    """A tokenizer the converter does not know gets this name, if there is one."""
    original = model.get_vocab_base_pre

    def get_vocab_base_pre(self: Any, tokenizer: Any) -> str:
        try:
            return str(original(self, tokenizer))
        except NotImplementedError:
            if not name:
                raise
            return name

    model.get_vocab_base_pre = get_vocab_base_pre


def _take_pieces(converter: Any, text_model: Any, name: str, request: dict[str, Any]) -> None:
    """Gives the converter the list of pieces that it looks for in tokenizer.model, and nothing that it only guesses.

    The first Gemma's own numbers of control tokens are written into every model of its kind.
    """
    pieces = request["pieces"]
    if pieces is not None:
        text_model._create_vocab_sentencepiece = lambda self: _padded(pieces, self.hparams["vocab_size"])
    own = name in SENTENCEPIECE or name.startswith("Gemma3For") or converter.set_vocab is text_model.set_vocab
    foreign = name == "GemmaForCausalLM" and request["blank"] is not None and not request["gemma_turns"]
    if foreign or (own and pieces is not None):
        converter.set_vocab = text_model._set_vocab_sentencepiece
    if pieces is not None and name.startswith("Gemma3For"):
        _keep_all_rows(converter, text_model)


def _padded(pieces: list[Any], rows: int) -> tuple[list[bytes], list[float], list[int]]:
    """Texts, scores and kinds of all rows of an embedding; rows without a token get one that nothing is read as."""
    unused = 5  # gguf.TokenType.UNUSED
    tokens, scores, kinds = [f"[PAD{row}]".encode() for row in range(rows)], [-10000.0] * rows, [unused] * rows
    for index, text, score, kind in pieces:
        tokens[index], scores[index], kinds[index] = text.encode(), score, kind
    return tokens, scores, kinds


def _name_ends_and_blanks(model: Any, gguf: Any, request: dict[str, Any]) -> None:
    """Writes the tokens that end an answer, unless the model's own files name some, and where blanks are put."""
    original, names = model.prepare_metadata, gguf.Keys.Tokenizer

    def prepare_metadata(self: Any, *given: Any, **settings: Any) -> Any:
        result, writer = original(self, *given, **settings), self.gguf_writer
        for key, token in ((names.EOT_ID, request["end_of_turn"]), (names.EOM_ID, request["other_end"])):
            if token is not None and not any(key in part for part in writer.kv_data):
                writer.add_uint32(key, token)
        if request["blank"] is not None:
            for part in writer.kv_data:
                part.pop(names.ADD_PREFIX, None)
            writer.add_add_space_prefix(request["blank"])
        return result

    model.prepare_metadata = prepare_metadata


if __name__ == "__main__":
    sys.exit(main())
