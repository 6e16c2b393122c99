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
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> int:
    request = json.load(sys.stdin)
    try:
        answer = convert(request)
    except BaseException as error:
        answer = {"error": str(error)[:2000] or type(error).__name__, "kind": type(error).__name__}
    print("\n" + json.dumps(answer), flush=True)
    return "error" in answer


def convert(request: dict[str, Any]) -> dict[str, Any]:
    import torch
    import transformers

    target = Path(request["target"])
    _no_foreign_code(transformers)
    _confine(target.parent)
    sys.path.insert(0, request["wheel"])
    import gguf
    from conversion import ModelBase, ModelType, TextModel, get_model_architecture, get_model_class

    _name_unknown_tokenizers(TextModel, request["pre_tokenizer"])
    _name_end_of_turn(TextModel, gguf, request["end_of_turn"])
    model = Path(request["model"])
    types = {"F32": "ALL_F32", "F16": "MOSTLY_F16", "BF16": "MOSTLY_BF16"}
    with torch.inference_mode():
        settings = ModelBase.load_hparams(model, False)
        name = get_model_architecture(settings, ModelType.TEXT)
        kind = gguf.LlamaFileType[types[request["type"]]]
        renamed = {**_former_names(name, settings), **settings}
        made = get_model_class(name)(model, kind, target, model_name=request["name"], hparams=renamed)
        made.write()
    return {"architecture": name}


def _former_names(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings the converter knows by the names they had before transformers 5."""
    rope = settings.get("rope_parameters") or {}
    former: dict[str, dict[str, Any]] = {
        "GPT2LMHeadModel": {"n_ctx": settings.get("n_positions")},
        "GPTNeoXForCausalLM": {"rotary_pct": rope.get("partial_rotary_factor", 1.0)},
    }
    return former.get(name, {})


def _no_foreign_code(transformers: Any) -> None:
    """The converter asks for trust_remote_code in places; it does not get it."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("the model wants to run its own Python code")

    transformers.dynamic_module_utils.get_class_from_dynamic_module = refused
    for loader in (transformers.AutoTokenizer, transformers.AutoConfig):
        loader.from_pretrained = _untrusting(loader.from_pretrained)


def _untrusting(load: Any) -> Any:
    def from_pretrained(*given: Any, **settings: Any) -> Any:
        return load(*given, **{**settings, "trust_remote_code": False, "local_files_only": True})

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


def _name_end_of_turn(model: Any, gguf: Any, token: int | None) -> None:
    """Writes the token that ends a turn, unless the model's own files name one."""
    original, key = model.prepare_metadata, gguf.Keys.Tokenizer.EOT_ID

    def prepare_metadata(self: Any, *given: Any, **settings: Any) -> Any:
        result = original(self, *given, **settings)
        if token is not None and not any(key in part for part in self.gguf_writer.kv_data):
            self.gguf_writer.add_eot_token_id(token)
        return result

    model.prepare_metadata = prepare_metadata


if __name__ == "__main__":
    sys.exit(main())
