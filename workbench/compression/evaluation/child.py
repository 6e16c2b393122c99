"""The child process that measures one variant: `python -m workbench.compression.evaluation.child REQUEST.json`.

It has a memory of its own, and may die alone. Its standard output is one JSON object a line: {'done', 'of', 'text'}
while it works, at last {'result'} or {'error', 'remedy'}. The end of its standard input (its parent died) ends it.
torch is imported for variants that need it only.
"""

import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workbench.compression.evaluation import speed
from workbench.compression.evaluation.quality import keep_reference, quality
from workbench.compression.evaluation.windows import ScoredText
from workbench.compression.variants import VARIANT
from workbench.core.errors import SEE_LOG, MemoryShortage, UserError, explain
from workbench.core.home import Home
from workbench.core.logs import configure_logging
from workbench.core.spec import Spec
from workbench.core.tasks import Task
from workbench.inference.backend import Backend, LogitsBackend
from workbench.models.model_references import Resolved, resolve
from workbench.models.shelf import gguf_in
from workbench.rendering.tokenizer import Tokenizer

log = logging.getLogger("workbench.compression.evaluation.child")  # it runs as __main__

PIECE_BYTES = 16 * 2**20


class VariantRequest(Spec):
    """What one child does. `reference`: computes and keeps the original's log-probabilities; else measures `name`."""

    home: str
    scratch: str
    original: str
    name: str
    reference: bool = False
    threads: int = 1
    speed: bool = True
    prompt: int = 256
    tokens: int = 64


def measure_variant(request: VariantRequest, task: Task) -> dict[str, Any]:
    """Does what is asked; returns plain figures. Arrays lie in scratch/of-NAME.npz, the original's in reference.npz."""
    scratch = Path(request.scratch)
    text = ScoredText.load(scratch / "text.json")
    return _reference(request, text, scratch, task) if request.reference else _measured(request, text, scratch, task)


def _reference(request: VariantRequest, text: ScoredText, scratch: Path, task: Task) -> dict[str, Any]:
    from workbench.inference.backend_transformers import TransformersBackend

    task.update(0, 1, "Loading")
    backend = TransformersBackend.of(resolve(Home(Path(request.home)), request.original), request.threads, exact=True)
    nll, vocabulary = keep_reference(backend, text, scratch, task)
    _save(scratch, "reference", {"nll": nll})
    return {"backend": backend.words, "vocabulary": vocabulary}


def _measured(request: VariantRequest, text: ScoredText, scratch: Path, task: Task) -> dict[str, Any]:
    """Loads a variant, lets it write, then measures it on the text: its memory is told before that."""
    home = Home(Path(request.home))
    task.update(0, 1, "Loading")
    resolved = VARIANT.find(home, request.name)
    for folder in resolved.folders:
        _into_cache(folder)
    room = max(text.context, request.prompt + request.tokens) + speed.WARM_UP_TOKENS
    open_it = _opener(resolved, request, room)
    began = time.perf_counter()
    backend = open_it()
    figures: dict[str, Any] = {"load_seconds": round(time.perf_counter() - began, 3), "backend": backend.words}
    figures |= {"device": backend.device, "memory_loading": backend.peak()}
    backend.forget_peak()
    test = speed.SpeedTest.of(text, request.prompt, request.tokens, min(backend.longest, room))
    if request.speed:
        figures["speed"] = speed.measure_speed(backend, test, request.threads, task)
    else:
        backend.run(test.prompt, speed.WARM_UP_TOKENS)
    figures["memory_running"] = backend.peak()
    judged = _judged(resolved, request, backend)
    original = Tokenizer.load(resolve(home, request.original).home_of_template)
    arrays, notes = quality(judged, text, original, scratch, task)
    _save(scratch, f"of-{request.name}", arrays)
    return {
        **figures, "parameters": judged.parameters, "notes": [*backend.notes, *notes], "tokens": len(arrays["nll"]),
        "same_tokenizer": "kl" in arrays,
    }  # fmt: skip


def _opener(resolved: Resolved, request: VariantRequest, room: int) -> Callable[[], Backend]:
    """What loads the variant, with everything imported that needs time."""
    if resolved.kind != "gguf":
        from workbench.inference.backend_transformers import TransformersBackend

        return lambda: TransformersBackend.of(resolved, request.threads)
    from workbench.inference.backend_llama import LlamaBackend
    from workbench.inference.backend_server import ServerBackend
    from workbench.inference.llama_cpp import library

    path = gguf_in(resolved.base)
    try:
        library()
    except UserError:
        return lambda: ServerBackend(path, request.threads, room)
    return lambda: LlamaBackend(path, request.threads, room)


def _judged(resolved: Resolved, request: VariantRequest, backend: Backend) -> LogitsBackend:
    """What gives the logits: the backend itself, or the file's weights in transformers."""
    if isinstance(backend, LogitsBackend):
        return backend
    from workbench.inference.backend_transformers import TransformersBackend

    return TransformersBackend.of_gguf(gguf_in(resolved.base), request.threads)


def _into_cache(folder: Path) -> None:
    """Reads the weights once, so that every variant is loaded from the system's cache and not one from the disk."""
    for path in folder.iterdir():
        if path.suffix in (".safetensors", ".gguf"):
            with path.open("rb") as file:
                while file.read(PIECE_BYTES):
                    pass


def _save(scratch: Path, name: str, arrays: dict[str, Any]) -> None:
    """Whole or not at all: a torn file must not count as measured."""
    partial = scratch / f".{name}.npz"
    np.savez(partial, **arrays)
    partial.replace(scratch / f"{name}.npz")


def _die_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Measures the variant that a request on standard input names; the figures go to standard output as JSON."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not mix with what is said
    configure_logging()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with contextlib.suppress(OSError):  # if memory runs out, this process goes and not the job
        Path("/proc/self/oom_score_adj").write_text("1000")

    def say(**message: Any) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    try:
        request = VariantRequest.parse(json.loads(Path(sys.argv[1]).read_text("utf-8")))
        task = Task(lambda completed, of, text: say(done=completed, of=of, text=text))
        say(result=measure_variant(request, task))
    except BaseException as error:
        log.exception("the measuring failed")
        failure = explain(error, SEE_LOG)
        say(error=failure.message, remedy=failure.remedy, memory=isinstance(failure, MemoryShortage))
    os._exit(0)


if __name__ == "__main__":
    main()
