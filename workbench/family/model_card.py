"""The model card (README.md) of a model of the shelf: what it is, what it was made from and how to load it.

Front matter: https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

import re
from collections.abc import Mapping
from typing import Any

from workbench.core.cards import render_card
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Manifest, Parent, read_manifest
from workbench.family.front_matter import declared
from workbench.family.tree import as_text, family


def model_card(
    manifest: Manifest,
    sections: Mapping[str, str] | None = None,
    home: Home | None = None,
    proof: Mapping[str, Any] | None = None,
) -> str:
    """README.md for a model whose folder need not be complete yet.

    With `home`, hub ids and licences of its parents and the family tree are looked up. `proof` is what
    `workbench.merging.sanity_check.prove` gave; `sections` are further texts by heading, taken as plain text.
    """
    recipe = manifest.made_by.get("recipe") or manifest.info.get("recipe")
    proof = proof or {}
    return render_card(
        "model", front=_front(manifest, home, recipe), manifest=manifest, recipe=recipe,
        parents=[(parent.role, parent.name, parent.kind, parent.digest[:12]) for parent in manifest.parents],
        tree=as_text(family(home, manifest)) if home else None,
        losses=[
            (name, *(f"{float(loss[key]):.2f}" for key in ("perplexity", "low", "high")))
            for name, loss in (proof.get("perplexity") or {}).items()
        ],
        measured_on=proof.get("measured_on"), warnings=proof.get("warnings") or [],
        base=getattr(manifest.parent("base"), "name", "BASE"),
        repo=re.sub(r"[^A-Za-z0-9._-]", "-", manifest.name), about=_about(manifest, recipe), sections=sections or {},
    )  # fmt: skip


def _front(manifest: Manifest, home: Home | None, recipe: Any) -> dict[str, Any]:
    merged = bool(recipe)
    bases = [parent for parent in manifest.parents if parent.kind in ("model", "adapter")]
    origins = [_hub_origin(home, parent) for parent in bases] if home else []
    ids = list(dict.fromkeys(repo for repo, _ in origins if repo))
    licences = {licence for _, licence in origins}
    tags = ["merge", "mergekit"] if merged else []
    front: dict[str, Any] = {"library_name": "peft" if manifest.kind == "adapter" else "transformers"}
    if len(licences) == 1 and licences != {""}:
        front["license"] = licences.pop()
    if ids:
        front["base_model"] = ids
        front["base_model_relation"] = "merge" if merged else "adapter" if manifest.kind == "adapter" else "finetune"
    return {**front, "pipeline_tag": "text-generation", "tags": [*tags, "llm-workbench"]}


def _hub_origin(home: Home | None, parent: Parent) -> tuple[str, str]:
    """A parent's hub id and licence, each '' where it is not known."""
    if home is None:
        return "", ""
    try:
        folder = home.models / parent.name
        manifest = read_manifest(folder)
    except (UserError, OSError, ValueError):
        return "", ""
    if parent.digest and manifest.digest != parent.digest:
        return "", ""
    licence = str(manifest.made_by.get("license") or declared(folder).license).lower()
    return str(manifest.made_by.get("repo") or ""), licence


def _about(manifest: Manifest, recipe: Any) -> dict[str, Any]:
    hidden = {"source", *(["recipe"] if recipe else [])}  # a path of this machine is nobody else's business
    settings = {key: value for key, value in manifest.made_by.items() if key not in hidden}
    return {key: value for key, value in {"made_by": settings, "versions": manifest.versions}.items() if value}
