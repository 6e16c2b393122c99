"""llama.cpp inside this process, through the C interface that the xllamacpp package carries: no server, no socket.

https://github.com/ggml-org/llama.cpp/blob/master/include/llama.h. Settings are passed by value in blocks larger than
needed, which the calling conventions of x86-64 and AArch64 allow; only fields at their head are set, after their
defaults were seen to stand where they are expected. Only job and chat processes import this: a crash takes the
process with it.
"""

import ctypes
import functools
import logging
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.gguf.library import library_path
from workbench.gguf.llama_errors import opening_refusal
from workbench.inference.cpu_budget import Spare

log = logging.getLogger(__name__)

INSTALL = "Install what requirements.txt names: it holds the version of xllamacpp that is known to work."
# llama_context_params begins with: n_ctx, n_batch, n_ubatch, n_seq_max, two more, n_outputs_max, n_threads,
# n_threads_batch, the kind of context, then the types of RoPE scaling, pooling, attention and flash attention.
DEFAULTS = (512, 2048, 512, 1, 0, 0, 1, 4, 4, 0, -1, -1, -1, -1)
FLASH_ATTENTION, OFF = 13, 0
ROUND_TOKENS = 256  # llama.cpp makes room for tokens in multiples of this
BATCH_TOKENS = 512  # tokens read at once
WARNING, ERROR, CONTINUED = 3, 4, 5

Pointer, Int, Flag = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool
Ints = ctypes.POINTER(Int)
Logits = dict[int, NDArray[np.float32]]


class _Settings(ctypes.Structure):
    """llama_model_params, or llama_context_params, whose head is like `DEFAULTS`."""

    _fields_ = [("head", Int * len(DEFAULTS)), ("rest", ctypes.c_uint64 * 121)]


class _Batch(ctypes.Structure):
    """llama_batch: for every token its id, position, row and whether its logits are wanted."""

    _fields_ = [("count", Int)] + [
        (name, Pointer) for name in ("token", "embedding", "position", "row_count", "rows", "wanted")
    ]


_Log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, Pointer)
SIGNATURES: dict[str, tuple[Any, ...]] = {  # what comes back, then what is given
    "llama_log_set": (None, _Log, Pointer),
    "llama_backend_init": (None,),
    "llama_model_default_params": (_Settings,),
    "llama_model_load_from_file": (Pointer, ctypes.c_char_p, _Settings),
    "llama_model_free": (None, Pointer),
    "llama_model_get_vocab": (Pointer, Pointer),
    "llama_model_n_ctx_train": (Int, Pointer),
    "llama_model_has_encoder": (Flag, Pointer),
    "llama_vocab_n_tokens": (Int, Pointer),
    "llama_vocab_get_text": (ctypes.c_char_p, Pointer, Int),
    "llama_vocab_is_eog": (Flag, Pointer, Int),
    "llama_vocab_is_control": (Flag, Pointer, Int),
    "llama_tokenize": (Int, Pointer, ctypes.c_char_p, Int, Ints, Int, Flag, Flag),
    "llama_detokenize": (Int, Pointer, Ints, Int, ctypes.c_char_p, Int, Flag, Flag),
    "llama_adapter_lora_init": (Pointer, Pointer, ctypes.c_char_p),
    "llama_set_adapters_lora": (Int, Pointer, ctypes.POINTER(Pointer), ctypes.c_size_t, ctypes.POINTER(ctypes.c_float)),
    "llama_context_default_params": (_Settings,),
    "llama_init_from_model": (Pointer, Pointer, _Settings),
    "llama_free": (None, Pointer),
    "llama_set_n_threads": (None, Pointer, Int, Int),
    "llama_get_memory": (Pointer, Pointer),
    "llama_memory_seq_rm": (Flag, Pointer, Int, Int, Int),
    "llama_decode": (Int, Pointer, _Batch),
    "llama_get_logits_ith": (ctypes.POINTER(ctypes.c_float), Pointer, Int),
}
_last_errors: deque[str] = deque(maxlen=4)  # the last errors llama.cpp spoke of


@functools.cache
def library() -> Any:
    """llama.cpp's functions, started; raises `UserError` when xllamacpp is missing or of a form not known here."""
    path = library_path()
    if path is None:
        raise UserError("xllamacpp, which runs GGUF models, is not installed.", INSTALL)
    try:
        llama = ctypes.CDLL(str(path))
        for name, (result, *arguments) in SIGNATURES.items():
            function = getattr(llama, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise UserError(f"This xllamacpp does not show llama.cpp's functions ({error}).", INSTALL) from None
    if tuple(llama.llama_context_default_params().head) != DEFAULTS:
        raise UserError("This xllamacpp holds a llama.cpp whose settings lie elsewhere.", INSTALL)
    llama.llama_log_set(_LISTEN, None)
    llama.llama_backend_init()
    return llama


def _listen(level: int, text: bytes, _: Any, before: list[int] = [0]) -> None:  # noqa: B006  (one memory for all calls)
    level = before[0] if level == CONTINUED else level
    before[0] = level
    if level in (WARNING, ERROR):
        words = text.decode("utf-8", "replace").strip()
        if words:
            log.log(logging.ERROR if level == ERROR else logging.WARNING, "%s", words)
        if level == ERROR and words:
            _last_errors.append(words)


_LISTEN = _Log(_listen)  # kept for as long as the library may call it


class LlamaModel:
    """A GGUF file, mapped into memory once for all its contexts, and freed when the last of them is gone.

    `width` is the size of its vocabulary, `longest` the longest context it was trained for, in tokens.
    """

    def __init__(self, path: Path):
        self.library = library()
        _last_errors.clear()
        pointer = self.library.llama_model_load_from_file(str(path).encode(), self.library.llama_model_default_params())
        if not pointer:
            raise UserError(f"llama.cpp cannot load {path.parent.name}: {_reason()}", "Make or import it again.")
        self.pointer = pointer
        weakref.finalize(self, self.library.llama_model_free, pointer)
        self._vocabulary = self.library.llama_model_get_vocab(pointer)
        self.width = int(self.library.llama_vocab_n_tokens(self._vocabulary))
        self.longest = int(self.library.llama_model_n_ctx_train(pointer)) or 2**31
        if not self.width or self.library.llama_model_has_encoder(pointer):
            raise UserError(f"{path.parent.name} is no causal language model.", "Choose another one.")

    def tokenize(self, text: str) -> list[int]:
        """A text's tokens, special ones read as such, none added."""
        data = text.encode()
        tokens = (Int * (len(data) + 8))()
        count = self.library.llama_tokenize(self._vocabulary, data, len(data), tokens, len(tokens), False, True)
        if count < 0:
            raise UserError("llama.cpp could not read the text as tokens.", "Shorten it.")
        return tokens[:count]

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of these tokens, control tokens left out; bytes that make no character yet become '\ufffd'."""
        token_array = (Int * len(tokens))(*tokens)
        room = 16 * len(tokens) + 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            size = self.library.llama_detokenize(self._vocabulary, token_array, len(tokens), buffer, room, False, False)
            if size >= 0:
                return buffer.raw[:size].decode("utf-8", "replace")
            room = -size

    def written(self, token: int) -> str:
        """How the vocabulary writes a token."""
        return bytes(self.library.llama_vocab_get_text(self._vocabulary, token) or b"").decode("utf-8", "replace")

    @functools.cached_property
    def ends(self) -> set[int]:
        """The tokens llama.cpp takes for the end of an answer: EOS, EOT, and what is known to end a turn."""
        return {token for token in range(self.width) if self.library.llama_vocab_is_eog(self._vocabulary, token)}

    def is_control(self, token: int) -> bool:
        return bool(self.library.llama_vocab_is_control(self._vocabulary, token))

    def adapter(self, path: Path) -> int:
        """Loads a LoRA file; it is freed with the model."""
        _last_errors.clear()
        pointer = self.library.llama_adapter_lora_init(self.pointer, str(path).encode())
        if not pointer:
            raise UserError(
                f"llama.cpp cannot load the adapter: {_reason()}", "Fold it into its base and quantize that."
            )
        return int(pointer)


class LlamaContext:
    """What a model remembers of up to `rows` texts of up to `length` tokens each, with an adapter on or none."""

    def __init__(self, model: LlamaModel, length: int, spare: Spare, rows: int = 1, adapter: int | None = None):
        self.model, self._spare, self._library = model, spare, model.library
        settings = self._library.llama_context_default_params()
        batch = min(BATCH_TOKENS, max(length, rows))
        settings.head[:4] = [-(-length // ROUND_TOKENS) * ROUND_TOKENS * rows, batch, batch, rows]
        # on a CPU it is slower, and the order of its sums depends on how many threads there are
        settings.head[FLASH_ATTENTION] = OFF
        self.pointer = self._library.llama_init_from_model(model.pointer, settings)
        if not self.pointer:
            raise UserError(f"llama.cpp has no memory for {length * rows} tokens: {_reason()}", "Shorten the answer.")
        weakref.finalize(self, self._library.llama_free, self.pointer)
        if adapter is not None:
            pointers, scales = (Pointer * 1)(adapter), (ctypes.c_float * 1)(1.0)
            if code := self._library.llama_set_adapters_lora(self.pointer, pointers, 1, scales):
                raise UserError(f"llama.cpp could not switch the adapter on (code {code}).", "The log says why.")
        self._batch, self._rows = batch, np.arange(rows, dtype=np.int32)
        self._used = [0] * rows

    def feed(self, texts: Mapping[int, Sequence[int]]) -> Logits:
        """Reads on in these rows; returns the logits after each one's last token, (vocabulary,), float32."""
        flat = [
            (token, self._used[row] + offset, row, offset == len(tokens) - 1)
            for row, tokens in texts.items()
            for offset, token in enumerate(tokens)
        ]
        threads = self._spare.threads()
        self._library.llama_set_n_threads(self.pointer, threads, threads)
        logits: Logits = {}
        for start in range(0, len(flat), self._batch):
            logits |= self._decode(flat[start : start + self._batch])
        for row, tokens in texts.items():
            self._used[row] += len(tokens)
        return logits

    def _decode(self, batch: Sequence[tuple[int, int, int, bool]]) -> Logits:
        tokens, positions, rows = (np.array([entry[n] for entry in batch], np.int32) for n in range(3))
        wanted = np.array([entry[3] for entry in batch], np.int8)
        ones = np.ones(len(batch), np.int32)
        where = self._rows.ctypes.data + 4 * rows.astype(np.uint64)  # the address of each token's row number
        data = [array.ctypes.data for array in (tokens, positions, ones, where, wanted)]
        _last_errors.clear()
        if code := self._library.llama_decode(self.pointer, _Batch(len(batch), data[0], None, *data[1:])):
            raise UserError(f"llama.cpp could not go on (code {code}): {_reason()}", "Send again, or shorten the text.")
        return {int(rows[index]): self._logits(int(index)) for index in np.flatnonzero(wanted)}

    def _logits(self, index: int) -> NDArray[np.float32]:
        values = self._library.llama_get_logits_ith(self.pointer, index)
        return np.ctypeslib.as_array(values, (self.model.width,)).copy()

    def forget(self, row: int) -> None:
        """Empties a row for another text."""
        self._library.llama_memory_seq_rm(self._library.llama_get_memory(self.pointer), row, -1, -1)
        self._used[row] = 0


def _reason() -> str:
    """Why, by the last errors it spoke of; those are in the log."""
    return f"{opening_refusal(chr(10).join(_last_errors))}."
