"""vLLM, as a server in an environment of its own."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware, hardware_from_os
from workbench.core.home import Home
from workbench.core.settings import Settings, variable_of
from workbench.inference.inference_engine import ENGINES, InferenceEngine
from workbench.inference.vllm_adapters import reason_against_adapter
from workbench.models.model_references import Resolved

if TYPE_CHECKING:
    from workbench.inference.loaded_model import Runtime

VARIABLE = variable_of("vllm")
INSTALL = (
    f"The operator makes an environment for it (python -m venv FOLDER, then FOLDER/bin/pip install vllm) and sets "
    f"{VARIABLE}=FOLDER before starting the workbench."
)


@ENGINES.register
class VllmEngine(InferenceEngine):
    """Answers hundreds of prompts side by side with vLLM on an NVIDIA GPU, from an environment of its own.

    Kwon et al. 2023, https://arxiv.org/abs/2309.06180. The operator installs it. It runs as a server on this machine
    for as long as the job does, is asked for exactly the tokens that training renders, and takes LoRA adapters over
    their base. GGUF files are still run by llama.cpp; ensembles are not for it.
    """

    method: ClassVar[str] = "vllm"
    title: ClassVar[str] = "vLLM"

    gpu_memory: Annotated[float, Display(advanced=True)] = Field(
        0.85, gt=0.05, le=0.98, title="GPU memory share",
        description="Share of the GPU's memory that vLLM takes, for all models together: more answers more at once.",
    )  # fmt: skip
    concurrency: Annotated[int, Display(unit="prompts", advanced=True)] = Field(
        256, ge=1, le=4096, title="Concurrency",
        description="How many prompts vLLM is asked at once: more is faster until its memory is full.",
    )  # fmt: skip
    start_minutes: Annotated[float, Display(unit="minutes", advanced=True)] = Field(
        15, gt=0, le=240, title="Time to start",
        description="How long vLLM may take to load a model: large models and slow disks need more.",
    )  # fmt: skip

    @classmethod
    def unavailable(cls) -> str:
        folder = Settings.current().vllm
        if folder is None:
            return f"vLLM is not installed here. {INSTALL}"
        if not program_in(folder).is_file():
            return f"{VARIABLE} names {folder}, where there is no {program_in(folder).relative_to(folder)}. {INSTALL}"
        if not sys.platform.startswith("linux") or hardware_from_os().device != "cuda":
            return "vLLM needs Linux and an NVIDIA GPU."
        return ""

    def runtime(self, home: Home, hardware: Hardware) -> "Runtime":
        from workbench.inference.vllm_model import VllmRuntime

        folder = Settings.current().vllm
        if folder is None:
            raise UserError("vLLM is not installed here.", INSTALL, "engine")
        return VllmRuntime(program_in(folder), self.gpu_memory, self.concurrency, 60 * self.start_minutes)

    def prompts_at_once(self, batch_size: int) -> int:
        return max(batch_size, self.concurrency)

    def check(self, models: Sequence[Resolved], problems: Problems) -> None:
        super().check(models, problems)
        for model in models:
            if model.kind == "ensemble":
                message = f"{model.name!r} is an ensemble, which vLLM does not run."
                problems.add("engine", message, "Choose transformers as engine, or leave the ensemble out.")
            elif model.adapter and model.kind == "adapter" and (reason := reason_against_adapter(model.adapter)):
                message = f"the adapter {model.adapter.name!r} {reason}, which vLLM does not take."
                problems.add("engine", message, "Choose transformers as engine, or fold the adapter first.")


def program_in(folder: Path) -> Path:
    """The command of an environment."""
    return folder / "bin" / "vllm"
