"""A small home with one of everything, written in milliseconds without torch; and what can happen to its files."""

import json
import os
import shutil
import struct
from pathlib import Path
from typing import Any

from tests.naps.jobs import Nap
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, Parent, write_manifest
from workbench.data.recipes.importing import import_dataset
from workbench.jobs.events import EventLog
from workbench.jobs.queue import Queue

ROWS = "\n".join(json.dumps({"prompt": f"q{n}", "completion": f"a{n}"}) for n in range(12))
TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}

# What stands in a YAML or JSON file in place of what was there: of another shape, odd, deep, or no text at all.
CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "noise": bytes(range(256)) * 8,
    "latin-1": "name: café\nkind: modèle\n".encode("latin-1"),
    "utf-16": "kind: model".encode("utf-16"),
    "NUL": b"\0" * 64,
    "a number": b"5",
    "text": b'"text"',
    "a list": b"[1, [2], {}]",
    "null": b"null",
    "no kind": b'{"name": "x"}',
    "odd types": b'{"kind": 5, "name": [], "info": "x", "parents": {"a": 1}, "method": {}, "created": {}}',
    "odd model": b'{"kind": "model", "name": "x", "info": {"parameters": "many", "type": {}}, "created": "\\u0000"}',
    "odd dataset": b'{"kind": "dataset", "name": "x", "info": {"kind": ["text"], "rows": "x", "source": []}}',
    "odd rows": b'{"kind": "dataset", "name": "x", "info": {"kind": "text", "rows": {"train": "many"}}}',
    "odd gguf": b'{"kind": "gguf", "name": "x", "info": {"parameters": "many", "architecture": {}, "type": 5}}',
    "odd config": b'{"architectures": {"a": 1}, "peft_type": [], "r": {}, "model_type": 5}',
    "a method unknown": b'{"method": "fly"}',
    "a method of the wrong type": b'{"method": ["nap"]}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "bomb": b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
    "odd YAML": b"!!bool x",
    "events": b'{"type": "status"}\n{"t": "x", "type": "status", "status": "done", "result": "x"}\n{"type": "note"}\n',
    "a line": b"\n",
}


def model(home: Home, name: str, config: object = CONFIG, header: object = None, kind: str = "model") -> Path:
    """A folder as `import_folder` would leave it, whatever its config and header are."""
    folder = home.models / name
    folder.mkdir()
    weights(folder, config, header)
    parents = [Parent(kind="model", name="toy", role="base")] if kind == "adapter" else []
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4}') if parents else None
    write_manifest(folder, Manifest(kind=kind, name=name, parents=parents, made_by={"method": "import-folder"}))
    return folder


def weights(folder: Path, config: object = CONFIG, header: object = None) -> None:
    """config.json, tokenizer.json and model.safetensors; text and bytes are written as they are."""
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    head = json.dumps(header or {"w": TENSOR}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + b"\0" * 4)


def ended_job(home: Home, name: str = "Nap") -> Path:
    """A job that has ended well."""
    folder = home.jobs / Queue(home).submit(Nap(steps=2))
    events = EventLog(folder / "events.jsonl")
    events.status("running", pid=os.getpid(), process_started=1.0)
    events.append("metrics", step=1, loss=0.5)
    events.append("progress", done=1, total=2, text="Step 1 of 2")
    events.status("done", result={"model": "toy"})
    (folder / "log.txt").write_text(name)
    return folder


def home_with_everything(folder: Path) -> Home:
    """Models of every kind, two datasets, two jobs."""
    home = Home.at(folder)
    model(home, "toy")
    model(home, "lora", kind="adapter")
    with atomic_dir(home.models / "packed") as partial:
        (partial / "model.gguf").write_bytes(b"GGUF" + b"\0" * 60)
        write_manifest(partial, Manifest(kind="gguf", name="packed", info={"architecture": "llama", "parameters": 5}))
    with atomic_dir(home.models / "both") as partial:
        (partial / "ensemble.yaml").write_text("method: vote\nmembers: [toy, lora]\n")
        members = [Parent(kind="model", name=name, role="member") for name in ("toy", "lora")]
        write_manifest(partial, Manifest(kind="ensemble", name="both", parents=members))
    import_dataset(home, ROWS, "talks", eval_fraction=0.2)
    import_dataset(home, ROWS + "\n{bad", "more", eval_fraction=0)
    ended_job(home)
    Queue(home).submit(Nap())
    return home


def damage(path: Path, how: str, content: bytes, cut: int) -> None:
    """One accident of a file or folder: deleted, cut short, overwritten, or something else in its place."""
    if how == "truncate" and path.is_file():
        path.write_bytes(path.read_bytes()[:cut])
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    if how in ("file", "truncate"):
        path.write_bytes(content)
    elif how == "folder":
        path.mkdir()
        (path / "inner").write_bytes(content)
    elif how == "link":
        path.symlink_to("/nowhere/at/all")


def json_line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"
