"""What an adapter asks of the config.json of its base: rotary positions that are scaled. One place for all loaders.

PEFT writes nothing of the base's config into an adapter. So `base_config.json` lies beside `adapter_config.json`, with
the settings in the form that transformers takes:

    settings = json.load(open("ADAPTER/base_config.json"))
    base = AutoModelForCausalLM.from_pretrained("BASE", **settings)
    model = PeftModel.from_pretrained(base, "ADAPTER")

An adapter without that file answers over its base as that is. Imports no torch.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError, shortened
from workbench.core.home import write_text
from workbench.core.limits import bounded_integer, bounded_object, number
from workbench.models import tensors
from workbench.models.rope_scaling import LARGEST_RATIO, SCALED, reason_against_scaling, rope_of, scaling_words

BASE_SETTINGS_FILE = "base_config.json"
MOST_POSITIONS = 2**31
SHOWN_CHARACTERS = 100
ROPE, LENGTH = "rope_parameters", "max_position_embeddings"
NUMBERS = (
    "rope_theta", "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
    "mscale_all_dim",
)  # fmt: skip
OF_BASE = "partial_rotary_factor"  # which the shapes of the base decide
FRESH = "Get a fresh copy of the adapter, or delete that file if the base is to stay as it is."


def base_settings(adapter: Path | None) -> dict[str, Any]:
    """The settings that an adapter asks of its base's config.json; {} for one that takes its base as that is.

    Raises `UserError` for a file that is damaged or asks for anything else than scaled positions.
    """
    path = adapter / BASE_SETTINGS_FILE if adapter else None
    if path is None or not os.path.lexists(path):
        return {}
    settings = bounded_object(path)
    if reason := _refusal(settings):
        raise UserError(f"{BASE_SETTINGS_FILE} of {path.parent.name!r} {reason}.", FRESH, "model")
    return settings


def settings_over(base: Path, adapter: Path | None) -> dict[str, Any]:
    """What of a base's config.json has to be otherwise for an adapter over it; {} where nothing has.

    Raises `UserError` where the adapter asks for positions that this base cannot have.
    """
    wanted = base_settings(adapter)
    if not wanted or not adapter:
        return {}
    config = tensors.model_config(base)
    if same_positions(config, wanted):
        return {}
    need = f"{adapter.name!r} was trained with {scaling_words(wanted)}"
    if why := reason_against_scaling(config):
        raise UserError(f"{need}, and {base.name!r} {why}.", "Use it over the base it was trained on.", "model")
    theirs, ours = wanted[ROPE].get("rope_theta"), rope_of(config).get("rope_theta")
    if theirs != ours:
        other = f"over a RoPE base of {theirs:g}, where {base.name!r} has {ours:g}"
        raise UserError(f"{need} {other}.", "Use it over the base it was trained on.", "model")
    return wanted


def config_over(base: Path, adapter: Path | None) -> dict[str, Any]:
    """The config.json of a base as an adapter over it needs it; raises `UserError` as `settings_over`."""
    return {**tensors.model_config(base), **settings_over(base, adapter)}


def same_positions(config: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two configs mean the same positions: kind, factor, frequencies and length, as far as both tell them."""
    first, second = rope_of(config), rope_of(other)
    if (kind := first.get("rope_type", "default")) != second.get("rope_type", "default"):
        return False
    compared = ("rope_theta",) if kind == "default" else NUMBERS
    alike = all(first[name] == second[name] for name in compared if name in first and name in second)
    return alike and (kind == "default" or config.get(LENGTH) == other.get(LENGTH))


def changed_positions(config: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """What an adapter has to ask of `base` so that it gets the positions of `config`; {} where they are the same.

    Raises `UserError` for differences that an adapter cannot ask for.
    """
    if same_positions(config, base) or not (rope_of(config) or rope_of(base)):
        return {}
    wanted = {ROPE: rope_of(config), LENGTH: config.get(LENGTH)}
    same_theta = rope_of(config).get("rope_theta") == rope_of(base).get("rope_theta")
    if _refusal(wanted) or not same_theta or reason_against_scaling(dict(base)):
        raise UserError(
            "has other rotary positions than the base, of a kind that an adapter cannot ask for.",
            "Choose the base it was trained from, with the same RoPE.", "model",
        )  # fmt: skip
    return wanted


def require_positions(config: Any, adapter: Path) -> None:
    """Raises `UserError` unless a loaded base, whose config it is, has the positions that the adapter asks for."""
    wanted = base_settings(adapter)
    if wanted and not same_positions({ROPE: config.rope_parameters, LENGTH: config.max_position_embeddings}, wanted):
        raise UserError(
            f"{adapter.name!r} needs {scaling_words(wanted)}, and its base was loaded without.",
            f"Load the base with the settings of {BASE_SETTINGS_FILE}.", "model",
        )  # fmt: skip


def write_base_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Writes them beside an adapter; no file where there are none."""
    if settings:
        write_text(folder / BASE_SETTINGS_FILE, json.dumps(settings, indent=2) + "\n")


def scaling_info(settings: Mapping[str, Any]) -> dict[str, str]:
    """What the manifest of an adapter or model with these settings says of its positions."""
    return {"rope_scaling": words} if (words := scaling_words(settings)) else {}


def copy_base_settings(source: Path, target: Path) -> None:
    """Copies them from one adapter to another that is made of it."""
    if base_settings(source):
        shutil.copyfile(source / BASE_SETTINGS_FILE, target / BASE_SETTINGS_FILE)


def _refusal(settings: Mapping[str, Any]) -> str:
    """Why settings are not what an adapter may ask for, or ''."""
    if others := sorted(settings.keys() - {ROPE, LENGTH}):
        return f"asks for {shortened(others[0], SHOWN_CHARACTERS)}, which is no setting of positions"
    rope = settings.get(ROPE)
    if not isinstance(rope, dict) or rope.get("rope_type") not in SCALED:
        return f"names no RoPE scaling that is known here ({', '.join(SCALED)})"
    odd = [
        name
        for name, value in rope.items()
        if name not in ("rope_type", "type", "truncate") and (name not in (*NUMBERS, OF_BASE) or number(value) is None)
    ]
    if odd:
        return f"has a {shortened(odd[0], SHOWN_CHARACTERS)} that is not known here"
    if not 1 < (number(rope.get("factor")) or 0) <= LARGEST_RATIO:
        return f"has no factor above 1 and up to {LARGEST_RATIO}"
    if not (number(rope.get("rope_theta")) or 0) > 0:
        return "has no rope_theta"
    return "" if 0 < (bounded_integer(settings.get(LENGTH)) or 0) < MOST_POSITIONS else f"has no {LENGTH}"
