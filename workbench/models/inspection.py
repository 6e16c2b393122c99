"""A whole look at a model's folder: every tensor that its architecture needs, its vocabulary, an adapter's promise.

It needs torch, which the server never imports: there it runs as a process of its own,
`python -m workbench.models.inspection FOLDER [BASE]`, which prints what is wrong as JSON.
"""

import json
import math
import sys
from pathlib import Path

from workbench.core.child_process import ChildFailed, exit_reason, run_child
from workbench.core.errors import Problem, Problems, UserError
from workbench.core.limited import MEMORY_BYTES, bound_memory
from workbench.models import tensors
from workbench.models.model_kinds import kind_from

COUNTS = ("num_hidden_layers", "num_attention_heads", "num_experts", "num_local_experts", "n_routed_experts")
MOST_MODULES = 10_000  # of any of these: each is a module to be built
LONGEST_SECONDS = 600  # seconds: transformers alone takes some to be imported
NAMED_TENSORS = 3
LOADED_COPIES = 3  # times weights are held, which are read, renamed and merged
MERGED_BYTES = 4  # bytes a weight of the base takes, in float32
TOO_MUCH = "building its modules takes more memory than a model of its size does."
EFFECT = ("effect",)  # the path of what is said of an adapter that does nothing
COPY = "Copy the missing files, or get the model again."


def inspect(folder: Path, base: Path | None = None) -> list[Problem]:
    """What is wrong with a model, or with an adapter of `base`, that can only be seen with its modules built."""
    if "torch" in sys.modules:
        return inspect_here(folder, base)
    command = [sys.executable, "-m", "workbench.models.inspection", str(folder), *([str(base)] if base else [])]
    offline = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    try:
        output = run_child(command, seconds=LONGEST_SECONDS, extra=offline)
        last, reason = output.data.strip().rpartition(b"\n")[2], exit_reason(0, output.errors)
    except ChildFailed as error:
        last, reason = b"", str(error)
    if not last.startswith(b"["):
        raise UserError(
            f"{folder.name} could not be looked at: the process {reason}.", "Check its config.json.", "path"
        )
    return [Problem.read(data) for data in json.loads(last)]


def inspect_here(folder: Path, base: Path | None = None) -> list[Problem]:
    """The same in this process; imports torch."""
    problems = Problems()
    try:
        if base:
            _adapter(folder, base, problems)
        else:
            _model(folder, problems)
    except UserError as error:
        problems.collect("path", error)
    except MemoryError:
        problems.add("path", TOO_MUCH, "Check its config.json.")
    except Exception as error:  # architectures fail in many ways on settings that make no sense
        if "can't allocate memory" in str(error):  # torch's own
            problems.add("path", TOO_MUCH, "Check its config.json.")
            return problems.found
        cause = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        problems.add("path", f"no model can be built from its config ({cause}).", "Get a fresh copy of that file.")
    return problems.found


def _model(folder: Path, problems: Problems) -> None:
    import transformers
    from transformers import AutoConfig

    from workbench.models.hollow import hollow

    written = tensors.model_config(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (ValueError, KeyError, TypeError, OSError) as error:
        cause = (str(error).splitlines() or ["?"])[0][:200]
        raise UserError(
            f"its config.json is none that transformers {transformers.__version__} knows: {cause}",
            "Get a model of an architecture that it has.", "path",
        ) from None  # fmt: skip
    for sub_config in (config, config.get_text_config()):
        for setting in COUNTS:
            if isinstance(count := getattr(sub_config, setting, None), int) and count > MOST_MODULES:
                raise UserError(f"its config.json says {setting}: {count}.", "Get a fresh copy of that file.", "path")
    kind = kind_from(written)
    if not written.get("quantization_config"):
        named = None if kind.generates else getattr(transformers, kind.architecture, None)
        if named is None and not kind.generates:
            raise UserError(
                f"its architecture {kind.architecture} is none of transformers {transformers.__version__}.",
                "Get a model of an architecture that it has.", "path",
            )  # fmt: skip
        hollow_model = hollow(folder, kind=named)
        _tensors(kind.architecture, hollow_model.missing, hollow_model.mismatched, problems)
    rows = int(getattr(config.get_text_config(), "vocab_size", 0) or 0)
    _vocabulary(folder, rows, problems)
    _tokenizer(folder, problems)


def _tensors(
    architecture: str, missing: list[str], mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]],
    problems: Problems,
) -> None:  # fmt: skip
    if missing:
        named = ", ".join(missing[:NAMED_TENSORS]) + (", …" if len(missing) > NAMED_TENSORS else "")
        lacks = f"{len(missing)} tensors" if len(missing) > 1 else "a tensor"
        problems.add(
            "path", f"{lacks} that {architecture} needs by its config.json {_are(missing)} missing: {named}.", COPY
        )
    for name, have, need in mismatched[:NAMED_TENSORS]:
        problems.add(
            "path", f"{name} is {_size(have)} in the files, and {_size(need)} by config.json.",
            "Get the config.json and the weights of one and the same model.",
        )  # fmt: skip


def _are(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "one number"


def _vocabulary(folder: Path, rows: int, problems: Problems) -> None:
    """A tokenizer must not give ids that the embedding has no row for."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file() or not rows:
        return
    try:
        last = max(Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True).values(), default=-1)
    except Exception as error:  # the library raises plain Exceptions
        problems.add("path", f"tokenizer.json cannot be read ({error}).", "Get a fresh copy of that file.")
        return
    if last >= rows:
        problems.add(
            "path", f"the tokenizer has ids up to {last}, and the embedding only {rows} rows.",
            "Resize the embedding to the tokenizer and save both, or take the tokenizer that the model came with.",
        )  # fmt: skip


def _tokenizer(folder: Path, problems: Problems, base: Path | None = None) -> None:
    """transformers must read texts and chats as tokenizer.json does."""
    from workbench.models.tokenizer_check import check_tokenizer

    if problems.found:  # it may be the tokenizer already; the rest is told with what is left
        return
    try:
        check_tokenizer(folder, base=base)
    except UserError as error:
        problems.collect("path", error)


def _adapter(folder: Path, base: Path, problems: Problems) -> None:
    from workbench.models.adapted import Adapted
    from workbench.models.adapter_effect import changes_nothing

    adapted = Adapted(base, folder)
    if changes_nothing(adapted):
        problems.add(
            EFFECT, f"the adapter {folder.name!r} does nothing: every weight of {base.name!r} stays as it is.",
            "It was saved before it was trained, or its training failed: take a later checkpoint, or use the base.",
        )  # fmt: skip
    _vocabulary(folder, adapted.kind.rows or adapted.hollow.rows, problems)
    _tokenizer(folder, problems, base)


def _weights(adapter: Path, base: Path) -> int:
    """Bytes that an adapter's weights may take, and one module of the base in float32 as it is merged."""
    largest = max((math.prod(shape) for _, shape, _ in tensors.shapes(base)), default=0)
    return LOADED_COPIES * (tensors.summary(adapter).size + MERGED_BYTES * largest)


def main() -> None:
    """Looks at the folders named on the command line, in bounded memory."""
    folder, base = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    bound_memory(MEMORY_BYTES + (_weights(folder, base) if base else 0))
    print(json.dumps([problem.to_dict() for problem in inspect_here(folder, base)]))


if __name__ == "__main__":
    main()
