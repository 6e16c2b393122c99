"""A model as GGUF answers in llama.cpp as it does in transformers."""

from typing import ClassVar

from workbench.core.errors import UserError
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.doctor.machine_check import CHECKS, REINSTALL, Check, CheckProbe, NotRun

PROMPTS = 4
CONVERTED = "toy-gguf"


@CHECKS.register
class GgufAnswers(Check):
    """A tiny model is converted to GGUF; llama.cpp has to answer the same tokens as transformers."""

    method: ClassVar[str] = "gguf-answers"
    title: ClassVar[str] = "GGUF and llama.cpp"
    order: ClassVar[int] = 80
    slow: ClassVar[bool] = True
    limit_seconds: ClassVar[float] = 600
    remedy: ClassVar[str] = "Install llama.cpp's binding again: pip install --force-reinstall xllamacpp"

    def measure(self, probe: CheckProbe) -> None:
        from workbench.gguf import library

        if reason := library.unavailable():
            raise NotRun(reason, "pip install xllamacpp")
        from workbench.core.hardware import detect_hardware
        from workbench.doctor.toy_runs import answers, shelf_home

        home = shelf_home(probe.scratch / "home")
        probe.fact("GGUF file", _convert(home), "bytes")
        exact = detect_hardware().on_cpu().model_copy(update={"bf16": False})
        by_torch, by_llama = answers(home, ["toy", CONVERTED], exact, PROMPTS)
        tokens = sum(map(len, by_torch))
        pairs = [pair for both in zip(by_torch, by_llama, strict=True) for pair in zip(*both, strict=False)]
        same = sum(ours == theirs for ours, theirs in pairs)
        probe.fact("tokens answered", tokens)
        probe.fact("same tokens", same)
        if not tokens or by_torch != by_llama:
            raise UserError(f"llama.cpp answers {same} of {tokens} tokens as transformers does.", REINSTALL)


def _convert(home: Home) -> int:
    """Puts the toy on the shelf as GGUF of plain floats; returns its bytes."""
    from workbench.gguf.converting import convert
    from workbench.models.model_references import resolve

    with atomic_dir(home.models / CONVERTED) as folder:
        convert(resolve(home, "toy"), folder / "model.gguf")
        parents = [parent_of(home.models / "toy", "quantized")]
        write_manifest(folder, Manifest(kind="gguf", name=CONVERTED, parents=parents))
        return (folder / "model.gguf").stat().st_size
