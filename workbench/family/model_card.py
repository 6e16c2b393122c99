"""The model card (README.md) of a model of the shelf: what it is, what it was made from and how to load it.

Front matter: https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Manifest, Parent, read_manifest
from workbench.core.markdown import fenced, text
from workbench.core.spec import dump_yaml
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
    parts = [
        f"---\n{dump_yaml(_front(manifest, home, recipe))}---",
        f"# {text(manifest.name)}",
        _about(manifest),
        *_section("Recipe", fenced(dump_yaml(recipe), "yaml") if recipe else ""),
        *_section("Made from", _parents(manifest.parents)),
        *_section("Family tree", fenced(as_text(family(home, manifest))) if home else ""),
        *_section("Measured", _figures(proof or {})),
        *_section("How to load it", fenced(_loading(manifest), "python")),
        *_section("How it was made", _made_by(manifest, recipe)),
        *[
            section
            for title, words in (sections or {}).items()
            for section in _section(text(title), text(words, lines=True))
        ],
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, body: str) -> list[str]:
    return [f"## {title}", body] if body else []


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


def _about(manifest: Manifest) -> str:
    method = text(manifest.made_by.get("method") or "an unknown way")
    kind = "An adapter" if manifest.kind == "adapter" else "A language model"
    return f"{kind} made with LLM Workbench: {method}."


def _parents(parents: list[Parent]) -> str:
    rows = [(parent.role, parent.name, parent.kind, parent.digest[:12]) for parent in parents]
    return _table(("Role", "Name", "Kind", "Digest"), rows) if rows else ""


def _figures(proof: Mapping[str, Any]) -> str:
    rows = [
        (name, *(f"{float(figures[key]):.2f}" for key in ("perplexity", "low", "high")))
        for name, figures in (proof.get("perplexity") or {}).items()
    ]
    if not rows:
        return ""
    table = _table(("Model", "Perplexity", "95 % from", "to"), rows)
    words = [f"Perplexity on {text(proof['measured_on'])}."] if proof.get("measured_on") else []
    return "\n\n".join([*words, table, *(f"- {text(warning)}" for warning in proof.get("warnings") or [])])


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *[tuple(text(cell) for cell in row) for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _loading(manifest: Manifest) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", manifest.name)
    if manifest.kind == "adapter":
        return (
            "from peft import AutoPeftModelForCausalLM\nfrom transformers import AutoTokenizer\n\n"
            f'model = AutoPeftModelForCausalLM.from_pretrained("{name}")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{name}")'
        )
    return (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'model = AutoModelForCausalLM.from_pretrained("{name}", dtype="auto")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")'
    )


def _made_by(manifest: Manifest, recipe: Any) -> str:
    hidden = {"source", *(["recipe"] if recipe else [])}  # a path of this machine is nobody else's business
    settings = {key: value for key, value in manifest.made_by.items() if key not in hidden}
    about = {"made_by": settings, "versions": manifest.versions}
    return fenced(dump_yaml({key: value for key, value in about.items() if value}), "yaml")
