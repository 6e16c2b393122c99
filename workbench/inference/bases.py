"""A base model in memory with the adapters over it. Imports torch: only job and chat processes import this."""

import json
from dataclasses import dataclass, field
from typing import Any

from workbench.core.lineage import read_manifest
from workbench.models.adapted import Adapted
from workbench.models.adapters import AdapterKind, adapter_kind
from workbench.models.base_settings import require_positions, settings_over
from workbench.models.loading import attach_adapter, fit_rows
from workbench.models.model_references import Resolved


@dataclass(frozen=True)
class Loaded:
    """What stands in memory for a name of the shelf: digests of base and adapter, and what the adapter is."""

    resolved: Resolved
    base: str
    adapter: str | None
    kind: AdapterKind | None = field(default=None, compare=False)

    @classmethod
    def of(cls, resolved: Resolved) -> "Loaded":
        base = read_manifest(resolved.base).digest
        if resolved.adapter is None:
            return cls(resolved, base, None)
        return cls(resolved, base, read_manifest(resolved.adapter).digest, adapter_kind(resolved.adapter))

    @property
    def key(self) -> str:
        """Which base in memory it answers from: an adapter that changes its base has one of its own, and those that
        ask for the same scaled positions share one. The same copy would do only where nothing but one module knows the
        positions, which is not so of every architecture."""
        if self.kind and self.kind.private:
            return f"{self.base}+{self.adapter}"
        return f"{self.base} {json.dumps(self.settings, sort_keys=True)}" if self.settings else self.base

    @property
    def settings(self) -> dict[str, Any]:
        """What its base's config.json has to say otherwise; raises `UserError` where that cannot be."""
        return settings_over(self.resolved.base, self.resolved.adapter) if self.kind else {}

    @property
    def virtual_tokens(self) -> int:
        """Tokens that a trained prompt takes of the model's room."""
        return int(self.kind.config.get("num_virtual_tokens") or 0) if self.kind and self.kind.is_prompt else 0


@dataclass
class Base:
    """A base model in memory and the adapters loaded over it, by digest: a name may come to mean other weights."""

    model: Any
    adapters: dict[str, str] = field(default_factory=dict)
    active: str | None = ""
    private: bool = False

    def add(self, loaded: Loaded) -> None:
        """Loads an adapter; raises `UserError` unless all that it promises is in its file, and nothing else."""
        assert loaded.adapter and loaded.kind and loaded.resolved.adapter
        Adapted(loaded.resolved.base, loaded.resolved.adapter)
        slot = f"a{len(self.adapters)}"
        if self.adapters:
            require_positions(self.model.config, loaded.resolved.adapter)
            self.model.load_adapter(str(loaded.resolved.adapter), adapter_name=slot)
        else:
            model = attach_adapter(fit_rows(self.model, loaded.resolved.adapter), loaded.resolved.adapter, slot).eval()
            self.model = Prompted(model) if loaded.kind.is_prompt else model
        self.adapters[loaded.adapter] = slot
        self.active, self.private = "?", loaded.kind.private

    def activate(self, adapter: str | None) -> Any:
        """Switches to one adapter, or truly off with None; returns the model to call."""
        if adapter != self.active and not self.private:
            if adapter:
                self.model.base_model.enable_adapter_layers()
                self.model.set_adapter(self.adapters[adapter], inference_mode=True)
            elif self.adapters:
                self.model.base_model.disable_adapter_layers()
            self.active = adapter
        return self.model


class Prompted:
    """A model with a trained prompt, which PEFT puts before every call's tokens: here before the first of them only.

    What comes after goes on from the cache, where the prompt stands already.
    """

    def __init__(self, model: Any):
        self._model = model

    def __call__(self, input_ids: Any, past_key_values: Any = None, **settings: Any) -> Any:
        if past_key_values is None:
            return self._model(input_ids=input_ids, **settings)
        return self._model.base_model(input_ids=input_ids, past_key_values=past_key_values, **settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
