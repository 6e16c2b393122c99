"""GPTQ and AWQ share a library that needs an older transformers: llm-compressor, in an environment of its own.

What they write, the format compressed-tensors, is loaded by this environment again.
"""

import importlib.util
import json
import logging
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.compression import hf
from workbench.compression.quantizer import Quantizer, SizeEstimate, Work
from workbench.compression.separate_env import CommandFailed, Environment, ensure, run_command
from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, write_text
from workbench.data.recipes.importing import SAMPLES_FOLDER
from workbench.models.model_references import Resolved
from workbench.models.shelving import copy_texts

log = logging.getLogger(__name__)

LLM_COMPRESSOR = Environment(
    "llm-compressor",
    (
        "llmcompressor==0.14.0.1", "compressed-tensors==0.19.0", "transformers==5.17.0", "huggingface_hub==1.33.0",
        "auto-round==0.15.1", "loguru==0.7.3", "nvidia-ml-py==13.615.71", "py-cpuinfo==9.0.0",
    ),
)  # fmt: skip
SCRIPT = Path(__file__).parent / "scripts" / "llm_compressor.py"
LOADS = "It needs compressed-tensors to load what it makes: pip install compressed-tensors==0.20.0"
SAMPLE, ROWS = "field_guide.jsonl", 64
USUAL_GROUP_WEIGHTS, SMALLEST_GROUP_WEIGHTS = 128, 16  # weights that share a scale: most often, and at least
INSTALLS = "The first time it installs llm-compressor into an environment of its own: 15 MB from PyPI."


class Calibrated(Quantizer):
    """Base of the quantizers that look at what flows through the model."""

    calibrates: ClassVar[bool] = True
    zeros: ClassVar[bool] = False  # whether a group has a zero point

    group: Annotated[int, Display(unit="weights", advanced=True)] = Field(
        USUAL_GROUP_WEIGHTS, ge=16, le=1024, title="Group size",
        description="Consecutive weights that share one scale: smaller groups are more accurate and take more "
        "space; halved until it divides all widths.",
    )  # fmt: skip
    max_length: Annotated[int, Display(unit="tokens", advanced=True)] = Field(
        512, ge=32, le=8192, title="Maximum length",
        description="Calibration rows longer than this are cut off: longer rows show more context and take more "
        "time.",
    )  # fmt: skip

    @classmethod
    def unavailable(cls) -> str:
        return "" if importlib.util.find_spec("compressed_tensors") else LOADS

    def suffix(self) -> str:
        return f"{self.method}-4bit" + (f"-g{self.group}" if self.group != USUAL_GROUP_WEIGHTS else "")

    def fitting(self, widths: set[int]) -> int:
        """The group as it is, or halved until it divides every width; 0 when none of at least 16 does."""
        group = self.group
        while group >= SMALLEST_GROUP_WEIGHTS and any(width % group for width in widths):
            group //= 2
        return group if group >= SMALLEST_GROUP_WEIGHTS else 0

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        parts = hf.Parts.of(resolved.base)
        group = self.fitting(parts.widths()) or SMALLEST_GROUP_WEIGHTS

        def packed(rows: int, columns: int) -> tuple[float, int]:
            scales = rows * -(-columns // group)
            zeros = 4 * -(-rows // 8) * -(-columns // group) if self.zeros else 0
            return 4 * rows * -(-columns // 8) + 2 * scales + zeros + 16, 4 if self.zeros else 3

        smaller = [f"Groups of {group}: {self.group} do not divide its widths."] if group != self.group else []
        return SizeEstimate(parts.bytes(packed), [*parts.notes(), *smaller, INSTALLS])

    def check(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        parts = hf.check_model(resolved, problems)
        if parts and not self.fitting(parts.widths()):
            problems.add(
                "quantizers",
                f"No group of {SMALLEST_GROUP_WEIGHTS} or more divides its widths.",
                "Quantize it to GGUF.",
            )

    def settings(self) -> dict[str, Any]:
        """What the script gets beside model, rows and group."""
        return {"method": self.method, "dampening": 0.01, "order": False}

    def run(self, work: Work) -> dict[str, Any]:
        parts = hf.Parts.of(work.resolved.base)
        rows, source = self._rows(work)
        python = ensure(work.home, LLM_COMPRESSOR, work.task)
        spec = {
            **self.settings(),
            "model": str(work.resolved.base),
            "dtype": str(hf.sixteen_bits(parts)).removeprefix("torch."),
            "rows": str(rows),
            "folder": str(work.folder),
            "group": self.fitting(parts.widths()),
        }
        write_text(work.scratch / f"{self.method}.json", json.dumps(spec))
        self._carry_out(work, python, work.scratch / f"{self.method}.json")
        (work.folder / "recipe.yaml").unlink(missing_ok=True)
        copy_texts(work.resolved.base, work.folder)
        info = {
            "type": self.suffix(),
            "group": spec["group"],
            "calibrated_on": source,
            **hf.quantized_facts(parts, work.folder),
        }
        return {**info, "toolchain": LLM_COMPRESSOR.pins[0]}

    def _rows(self, work: Work) -> tuple[Path, str]:
        """A file of token ids, a row a line, and where they come from; raises `UserError` when no row is usable."""
        from workbench.inference.loss import encode

        rows, kind, source = work.calibration, work.calibration_kind, f"{len(work.calibration)} rows of the dataset"
        if not rows:
            lines = (SAMPLES_FOLDER / SAMPLE).read_text("utf-8").splitlines()[:ROWS]
            rows, kind, source = [json.loads(line) for line in lines], "conversation", f"{ROWS} built-in conversations"
        ids = [row["input_ids"] for row in encode(work.resolved, rows, kind, "model", self.max_length)]
        path = work.scratch / f"{self.method}-rows.jsonl"
        write_text(path, "\n".join(map(json.dumps, ids)))
        return path, source

    def _carry_out(self, work: Work, python: Path, spec: Path) -> None:
        def hear(line: str) -> None:
            log.info("%s", line)
            if line.startswith("PROGRESS "):
                _, completed, total, text = line.split(" ", 3)
                work.task.update(float(completed), float(total), text)

        offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
        try:
            run_command([str(python), str(SCRIPT), str(spec)], hear, work.task, offline)
        except CommandFailed as error:
            cause = next(
                (line for line in reversed(error.lines) if "Error" in line), error.lines[-1] if error.lines else ""
            )
            raise UserError(
                f"{self.title} failed: {cause[:300] or error}",
                "The log has the whole story; GGUF needs no such library.",
            ) from None
