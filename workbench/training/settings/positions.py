"""Longer contexts: rotary positions that are drawn closer together while a model is trained, and after."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.core.spec import Spec
from workbench.models import tensors
from workbench.models.base_settings import base_settings, config_over, same_positions, settings_over
from workbench.models.rope_scaling import (
    SCALED,
    TITLES,
    context_tokens,
    reason_against_scaling,
    scaled_settings,
    scaling_words,
)


class PositionSettings(Spec):
    """The settings of a tuner that say how positions are scaled."""

    rope_scaling: Annotated[
        Literal["none", "linear", "yarn", "dynamic"], Display(advanced=True, labels={"none": "none", **TITLES})
    ] = Field(
        "none", title="RoPE scaling",
        description="Draws positions closer together, so that the model takes longer rows. A whole model's config "
        "keeps it, an adapter asks its base for it. YaRN needs fewer steps to get used to it; dynamic NTK leaves rows "
        "of the usual length as they are, and GGUF has none of it.",
    )  # fmt: skip
    rope_factor: Annotated[float, Display(advanced=True, shown_if={"rope_scaling": list(SCALED)})] = Field(
        2.0, gt=1, le=128, title="RoPE factor",
        description="How many times as long the context becomes: set a maximum length that uses it.",
    )  # fmt: skip

    def positions_over(self, base: Path, adapter: Path | None) -> dict[str, Any]:
        """What the config.json of a base has to say otherwise while it is trained; {} where nothing has.

        An adapter that is trained further keeps the positions it has. Raises `UserError` where they cannot be.
        """
        if self.rope_scaling == "none" or base_settings(adapter):
            return settings_over(base, adapter)
        return scaled_settings(tensors.model_config(base), self.rope_scaling, self.rope_factor)

    def reason_against_positions(self, base: Path, adapter: Path | None) -> UserError | None:
        """Why the positions cannot be scaled as the settings have it, or None."""
        if self.rope_scaling == "none" and adapter is None:
            return None
        try:
            config = config_over(base, adapter)
        except UserError as error:
            return error
        if self.rope_scaling == "none":
            return None
        kept = base_settings(adapter)
        if kept and adapter:
            if self._is_like(base, kept):
                return None
            message = f"{adapter.name!r} was trained with {scaling_words(kept)}, and keeps that."
            return UserError(message, "Leave RoPE scaling out, or start from its base.", ("tuner", "rope_scaling"))
        why = reason_against_scaling(config)
        remedy = "Leave RoPE scaling out for it."
        return UserError(f"{base.name!r} {why}.", remedy, ("tuner", "rope_scaling")) if why else None

    def _is_like(self, base: Path, kept: Mapping[str, Any]) -> bool:
        config = tensors.model_config(base)
        if reason_against_scaling(config):
            return False
        return same_positions(scaled_settings(config, self.rope_scaling, self.rope_factor), kept)

    def position_facts(self, base: Path, adapter: Path | None) -> list[list[str]]:
        """A line for the check before the start, where positions are scaled."""
        settings = self.positions_over(base, adapter)
        if not settings:
            return []
        kept = f"kept of {adapter.name!r}, " if adapter and base_settings(adapter) else ""
        words = f"{scaling_words(settings)}: {kept}{context_tokens(settings):,} tokens"
        return [["RoPE scaling", words]]
