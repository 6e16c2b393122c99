"""What the converter and llama.cpp say when they give up, as one sentence a person can act on.

Their own words, with paths, shapes and names of functions, are in the log.
"""

import json
import re
from typing import NamedTuple

from workbench.core.child_process import KILLED, exit_reason
from workbench.core.errors import UserError

ELSEWHERE = "It can be used as it is, or made smaller with another quantizer; the log has llama.cpp's own words."
MEMORY = "Free memory, or convert it on a larger machine."


class _Reason(NamedTuple):
    """pattern: what is said; message: the rest of the sentence, with its groups; remedy."""

    pattern: str
    message: str
    remedy: str


CONVERTING = (
    _Reason(r"Can ?not map tensor '([^']{1,200})'", "it knows no place for the tensor {0}", ELSEWHERE),
    _Reason(
        r"BPE pre-tokenizer was not recognized|pre-?tokenizer",
        "it does not know how this tokenizer splits text",
        "A model that keeps its base's tokenizer can become a GGUF.",
    ),
    _Reason(
        r"tokenizer\.model|spiece\.model|[Tt]okenizer file not found|tokenizer",
        "it cannot read this tokenizer",
        "Get the tokenizer's original files (tokenizer.model, if there is one) into the folder, then import it again.",
    ),
    _Reason(
        r"KeyError: '?(\w{1,60})|could not find any of: \[([^\]]{1,200})\]",
        "its config.json lacks the setting {0}",
        "Take the original config.json, or use the model as it is.",
    ),
    _Reason(r"shape '|size mismatch|must match|view size|Bias tensor", "its tensors have other shapes than", ELSEWHERE),
    _Reason(r"not supported|NotImplemented|Unsupported", "it does not know this kind of model", ELSEWHERE),
    _Reason(r"its own Python code|converter tried", "it would have to run code of the model's own", ELSEWHERE),
    _Reason(r"MemoryError|[Oo]ut of memory|can't allocate", "the memory is not enough", MEMORY),
    _Reason(r"No space left|disk is full|Errno 28", "the disk is full", "Free some space, then start it again."),
)
OPENING = (
    _Reason(r"tensor '([^']{1,100})' has wrong shape", "it expects another shape of the tensor {0}", ""),
    _Reason(r"missing tensor '([^']{1,100})'|tensor '([^']{1,100})' not found", "the tensor {0} is missing", ""),
    _Reason(r"key not found in model: ([\w.]{1,100})", "it needs the setting {0}, which the model has not", ""),
    _Reason(r"unknown model architecture: '([^']{1,60})'", "it does not know the architecture {0}", ""),
    _Reason(r"unknown pre-tokenizer type: '([^']{1,60})'", "it does not know the pre-tokenizer {0}", ""),
    _Reason(r"error loading model vocabulary", "it cannot read the vocabulary", ""),
    _Reason(r"wrong number of tensors", "it expects another number of tensors", ""),
    _Reason(r"not within the file bounds|failed to read|ended early|corrupted", "the file is incomplete", ""),
    _Reason(r"failed to allocate|[Oo]ut of memory|bad_alloc", "the memory is not enough", ""),
)


def converter_refusal(output: str, code: int, name: str) -> UserError:
    """What the converter's process ended with, `code` its exit code and `output` all it wrote."""
    try:
        answer = json.loads(output.strip().splitlines()[-1])
        words = f"{answer['kind']}: {answer['error']}"
    except (ValueError, LookupError, TypeError):
        return _ended(name, code)
    message, remedy = _first(CONVERTING, words) or ("it stopped at something it does not expect", ELSEWHERE)
    if message.endswith("than"):
        message += " it expects of this architecture"
    return UserError(f"llama.cpp's converter cannot write {name}: {message}.", remedy, "model")


def _ended(name: str, code: int) -> UserError:
    remedy = MEMORY if code == KILLED else "Start it again; the log has its last words."
    return UserError(f"{name} could not be converted: the converter {exit_reason(code)}.", remedy, "model")


def opening_refusal(output: str) -> str:
    """Why llama.cpp did not open a file, as the rest of a sentence; `output` is what it wrote."""
    refusal = _first(OPENING, output)
    return refusal[0] if refusal else "it ended without a reason that is known here"


def _first(reasons: tuple[_Reason, ...], output: str) -> tuple[str, str] | None:
    for reason in reasons:
        if match := re.search(reason.pattern, output):
            return reason.message.format(*(group.strip("'\"") for group in match.groups() if group)), reason.remedy
    return None
