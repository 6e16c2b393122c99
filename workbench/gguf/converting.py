"""A model folder as one GGUF of plain floats, made by the pinned converter in a confined process.

The type is the one most weights have (BF16, F16 or F32), so nothing is lost before quantizing.
"""

import contextlib
import json
import logging
import re
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import STDOUT
from typing import Any

from workbench.core.child_process import ChildProcess
from workbench.core.errors import Problems, UserError
from workbench.core.limits import bounded_object
from workbench.core.tasks import Task
from workbench.gguf.converter import checked_wheel, gguf_architecture, language_architecture, pre_tokenizer, supported
from workbench.gguf.library import knows
from workbench.gguf.llama_errors import converter_refusal
from workbench.gguf.pieces import blank_behind_control, model_type, pieces_in, require_pieces
from workbench.gguf.support import computed_otherwise
from workbench.models import tensors
from workbench.models.chat_tokens import end_of_turn, stop_ids
from workbench.models.model_references import Resolved
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer

log = logging.getLogger(__name__)

RUNNER = Path(__file__).with_name("_convert.py")
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "OMP_NUM_THREADS", "LANG")
CONFIG = "tokenizer_config.json"
POLL_SECONDS = 0.1  # seconds
MOST_LINES = 10_000  # of the converter's output, the last
GEMMA_TURN = 107  # <end_of_turn> of the first Gemma, which the converter names in every model of that kind
KNOWN_ENDS = (  # llama.cpp takes control tokens of these names for ends in any file
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
)  # fmt: skip
PHI3 = re.compile("phi-?3", re.IGNORECASE)


def float_type(folder: Path) -> str:
    """F32, F16 or BF16: what most weights of a folder are."""
    named = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
    return named.get(tensors.summary(folder).dtype, "F32")


def check_conversion(found: Resolved, problems: Problems, field: str = "model") -> None:
    """Adds what would make the conversion fail, from the model's config and tokenizer."""
    config = tensors.model_config(found.base)
    name = language_architecture(config)
    if name not in supported():
        problems.add(field, f"llama.cpp's converter does not know {name or 'its architecture'}.", "Choose another one.")
        return
    inner = gguf_architecture(name)
    if inner and not knows(inner):
        problems.add(field, f"this llama.cpp cannot run {inner} models.", "Install a newer xllamacpp.")
    if reason := computed_otherwise(name, {**config, **(config.get("text_config") or {})}):
        problems.add(
            field, f"llama.cpp {reason}: {found.base.name} would give other answers there.",
            "Use it as it is, or make it smaller with another quantizer.",
        )  # fmt: skip
    if config.get("quantization_config"):
        problems.add(field, f"{found.name!r} is quantized already.", "Choose the model it was made from.")
    try:
        require_pieces(found.base, field)
        pre_tokenizer(found.home_of_template)
    except UserError as error:
        problems.collect(field, error)


def _safe_name(match: Resolved) -> str:
    """The name that is written into the file: llama.cpp demands Phi-3's own tokens of every model with that name."""
    own = (match.base / "tokenizer.model").is_file()
    return match.name if own else PHI3.sub("Phi 3", match.name)


def convert(found: Resolved, target: Path, task: Task | None = None) -> dict[str, Any]:
    """Writes `target`, whole or not at all, and proves that it reads text as the model does.

    Returns {type, pre_tokenizer, texts, equal, differing}: how many texts were tokenized, how many gave the same ids,
    and the first that did not.
    Raises `UserError` for models the converter refuses, and for a tokenizer llama.cpp cannot do.
    """
    kind = float_type(found.base)
    known = pre_tokenizer(found.base)
    partial = target.with_name(f"{target.name}.writing")
    request: dict[str, Any] = {
        "wheel": str(checked_wheel()), "target": str(partial), "type": kind, "name": _safe_name(found),
        "pre_tokenizer": known.name if known and not known.known else "", "byte_level": known is not None,
        **_vocabulary(found.base),
    }  # fmt: skip
    size, task = tensors.summary(found.base).size, task or Task()

    def look() -> None:
        task.check_stop()
        task.update(min(_size(partial), size), size, f"Converting to {kind}")

    try:
        with _readable(found.base) as folder:
            request["model"] = str(folder)
            _run(request, look, found.name)
        proof = _proved(found, partial, known.known if known else True)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return {"type": kind, "pre_tokenizer": known.name if known else "", **proof}


def _vocabulary(folder: Path) -> dict[str, Any]:
    """What the converter is told of a tokenizer because it would not find it, or find something else.

    {end_of_turn, other_end: tokens that end an answer besides EOS; llama.cpp is told of two, and knows most others by
    their text; gemma_turns: whether the first Gemma's numbers are right; blank: whether a blank comes before the words
    after a control token, None where that is no question; pieces: the list that tokenizer.model would hold}.
    """
    tokenizer = Tokenizer.load(folder)
    turn = end_of_turn(tokenizer, get_template("model", folder))
    eos = tokenizer.backend.token_to_id(tokenizer.eos) if tokenizer.eos else None
    others = [token for token in stop_ids(folder) if token not in {*turn, eos} and not _known_end(tokenizer, token)]
    sentencepiece = model_type(folder) == "sentencepiece"
    own_list = (folder / "tokenizer.model").is_file()
    return {
        "end_of_turn": next(iter(turn - {eos}), None), "other_end": next(iter(others), None),
        "gemma_turns": tokenizer.backend.token_to_id("<end_of_turn>") == GEMMA_TURN,
        "blank": blank_behind_control(folder) if sentencepiece else None,
        "pieces": pieces_in(folder) if sentencepiece and not own_list else None,
    }  # fmt: skip


def _known_end(tokenizer: Tokenizer, token: int) -> bool:
    return tokenizer.backend.id_to_token(token) in KNOWN_ENDS


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[Path]:
    """The folder as the converter can read it.

    Beside a tokenizer.model it learns of added tokens from tokenizer_config.json alone, where transformers 5 does not
    write them any more: it would take `<start_of_turn>` for letters.
    """
    added = Tokenizer.load(folder).backend.get_added_tokens_decoder()
    config = bounded_object(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    listed = config.get("added_tokens_decoder")
    if (
        not (folder / "tokenizer.model").is_file()
        or not added
        or (isinstance(listed, dict) and len(listed) >= len(added))
    ):
        yield folder.resolve()
        return
    written = {str(at): {"content": token.content, "special": token.special} for at, token in sorted(added.items())}
    with tempfile.TemporaryDirectory(prefix="gguf-") as made:
        for path in folder.resolve().iterdir():
            if path.name != CONFIG:
                (Path(made) / path.name).symlink_to(path)
        (Path(made) / CONFIG).write_text(json.dumps({**config, "added_tokens_decoder": written}), "utf-8")
        yield Path(made)


def _proved(found: Resolved, path: Path, known: bool) -> dict[str, Any]:
    from workbench.gguf.tokenizing import compare_tokenizers

    compared = compare_tokenizers(path, found.base)
    if compared.equal < compared.texts and not known:
        raise UserError(
            f"llama.cpp does not know how {found.name} splits text before BPE: {compared.differing!r} gives other "
            "tokens there.",
            "It cannot become a GGUF. A model that keeps its base's tokenizer can.",
            "model",
        )
    if compared.chat:
        raise UserError(
            f"llama.cpp would read chats as other tokens than {found.name} does, such as {compared.chat!r}.",
            "Its answers would not be the model's. Get the tokenizer's original files, then import it again.",
            "model",
        )
    return {"texts": compared.texts, "equal": compared.equal, "differing": compared.differing}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _run(request: dict[str, Any], look: Callable[[], None], name: str) -> None:
    """Runs the converter; `look` is called ten times a second, and may raise to end it."""
    with tempfile.TemporaryDirectory(prefix="gguf-") as empty:
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": empty, "HOME": empty, "TMPDIR": empty, "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-I", "-B", str(RUNNER)]
        with ChildProcess(command, only=PASSED_ON, extra=offline, cwd=Path(empty), errors=STDOUT) as converter:
            with contextlib.suppress(BrokenPipeError):
                converter.write(json.dumps(request))
            converter.finish_input()
            output = "".join(deque(converter.lines(look, POLL_SECONDS), MOST_LINES))
            code = converter.wait()
    log.info("the converter says:\n%s", output[-20_000:])
    if code:
        raise converter_refusal(output, code, name)
