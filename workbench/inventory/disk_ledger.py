"""What takes how much of the disk, and what of it may be deleted: items with their bytes, a verdict and the reason."""

import datetime
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.core.home import OLD, PARTIAL, Home, is_abandoned
from workbench.core.recycle_bin import FOLDER as BIN_FOLDER
from workbench.core.recycle_bin import list_bin
from workbench.core.uploads import upload_folder
from workbench.inventory.disk_usage import Inode, Usage, UsageCache, joined_usage
from workbench.inventory.verdicts import (
    DeletionFacts,
    DeletionVerdict,
    deletion_facts,
    verdict_of_dataset,
    verdict_of_model,
)
from workbench.jobs.listing import JobRow
from workbench.jobs.queue import Queue
from workbench.models.shelf import ModelInfo

WORK_FOLDERS = ("checkpoints", "best_evaluation", "folded", "download", "shards", "scratch", "upload")
"""Folders of a job with what it works with: of use only to go on with it, and to average its checkpoints."""
MERGE_METHODS = frozenset({"merge", "merge-search", "assemble-moe", "combine-adapters", "fold-adapter"})
CACHES = {
    "encoded": "Rows encoded for training", "steps": "Results of cleaning steps", "statistics": "Dataset statistics",
    "gguf-lora": "Adapters written as GGUF", "adapters": "Judgements of adapters",
    "environments": "Environments for GPTQ and AWQ",
}  # fmt: skip


@dataclass(frozen=True)
class DiskItem:
    """One thing that takes room. key: what it is deleted by. size: its bytes, hard links counted with the first of
    their items. freed: bytes that come free when it goes. changed: ISO 8601, when it was written last."""

    key: str
    category: str
    title: str
    size: int
    freed: int
    changed: str
    verdict: DeletionVerdict
    reason: str
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class DiskLedger:
    """free and total: bytes of the file system of the home. categories: bytes by what it is, the most first. items: the
    largest first."""

    free: int
    total: int
    categories: tuple[tuple[str, int], ...]
    items: tuple[DiskItem, ...]

    @property
    def spent_checkpoints(self) -> tuple[DiskItem, ...]:
        """Those of ended runs whose model is there: they go together."""
        return tuple(item for item in self.items if item.key.startswith("work:") and item.verdict == "yes")


def disk_ledger(home: Home, queue: Queue, cache: UsageCache) -> DiskLedger:
    """Measures what changed since `cache` was used last, and judges every item anew."""
    facts = deletion_facts(home, queue)
    entries = [*_models(facts, cache), *_datasets(facts, cache), *_jobs(facts, cache), *_rest(facts, cache)]
    seen: set[Inode] = set()
    items, categories = [], defaultdict[str, int](int)
    for item, usage in entries:
        size = usage.counted_once(seen)
        categories[item.category] += size
        if size or item.key:
            items.append(_measured(item, usage, size))
    disk = shutil.disk_usage(home.root)
    ordered = sorted(categories.items(), key=lambda entry: entry[1], reverse=True)
    items.sort(key=lambda item: item.size, reverse=True)
    return DiskLedger(disk.free, disk.total, tuple(entry for entry in ordered if entry[1]), tuple(items))


def _measured(item: DiskItem, usage: Usage, size: int) -> DiskItem:
    changed = item.changed or (_moment(usage.changed) if usage.changed else "")
    return replace(item, size=size, freed=item.freed or usage.freed, changed=changed)


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _item(
    key: str, category: str, title: str, verdict: DeletionVerdict, reason: str, *paths: Path, changed: str = ""
) -> DiskItem:
    return DiskItem(key, category, title, 0, 0, changed, verdict, reason, paths)


Entry = tuple[DiskItem, Usage]

# ---- the shelves -------------------------------------------------------------------------------------------------


def _models(facts: DeletionFacts, cache: UsageCache) -> Iterator[Entry]:
    for info in facts.infos:
        verdict, reason = verdict_of_model(facts, info)
        key = f"model:{info.name}"
        yield (
            _item(key, _category(info), info.name, verdict, reason, info.folder, changed=info.created),
            cache.usage(info.folder),
        )


def _category(info: ModelInfo) -> str:
    if info.kind == "gguf" or info.made_by == "quantize":
        return "Quantized models"
    if info.made_by in MERGE_METHODS:
        return "Merged models"
    return {"adapter": "Adapters", "ensemble": "Ensembles"}.get(info.kind, "Models")


def _datasets(facts: DeletionFacts, cache: UsageCache) -> Iterator[Entry]:
    for manifest in facts.manifests:
        folder = facts.home.datasets / manifest.name
        verdict, reason = verdict_of_dataset(facts, manifest)
        item = _item(
            f"dataset:{manifest.name}", "Datasets", manifest.name, verdict, reason, folder, changed=manifest.created
        )
        yield item, cache.usage(folder)


# ---- jobs --------------------------------------------------------------------------------------------------------


def _jobs(facts: DeletionFacts, cache: UsageCache) -> Iterator[Entry]:
    for row in facts.rows:
        folder, live = facts.home.jobs / row.id, row.id in facts.live
        whole = cache.usage(folder, growing=live)
        work = work_folders(folder) if whole.has_folders else []
        usages = [cache.usage(path, growing=live) for path in work]
        rest = Usage(
            whole.own - sum(usage.own for usage in usages),
            _without(whole, usages),
            whole.changed,
        )
        if work:
            verdict, reason = _verdict_of_work(facts, row)
            title = f"Checkpoints of {row.label}" if work[0].name == "checkpoints" else f"Working files of {row.label}"
            yield _item(f"work:{row.id}", "Checkpoints of jobs", title, verdict, reason, *work), joined_usage(usages)
        verdict, reason = "ask", "Log, settings and figures of an ended job. What it made stays."
        if live:
            verdict, reason = "no", f"The job is {row.status}."
        item = _item(f"job:{row.id}", "Logs and results of jobs", f"Job {row.label}", verdict, reason, folder)
        yield replace(item, freed=whole.freed), rest


def _without(whole: Usage, usages: Iterable[Usage]) -> tuple[tuple[Inode, int, int, int], ...]:
    taken = {inode for usage in usages for inode, *_ in usage.shared}
    return tuple(link for link in whole.shared if link[0] not in taken)


def work_folders(folder: Path) -> list[Path]:
    """The folders a job works with, those of them that are there."""
    return [path for name in WORK_FOLDERS if (path := folder / name).is_dir() and not path.is_symlink()]


def _verdict_of_work(facts: DeletionFacts, row: JobRow) -> tuple[DeletionVerdict, str]:
    if row.id in facts.live:
        return "no", f"The job is {row.status}."
    if job := facts.named.get(row.id):
        return "no", f"The job {job}, which waits or runs, needs them."
    if row.status != "done":
        return "ask", f"The run ended as {row.status}: Resume goes on from them."
    if row.result and row.result in facts.models:
        return "yes", f"The run has ended and its model {row.result} is on the shelf."
    if row.result:
        return "ask", f"Its model {row.result} is no longer on the shelf: these are all that is left of the run."
    return "yes", "The run has ended."


# ---- everything else ---------------------------------------------------------------------------------------------


def _rest(facts: DeletionFacts, cache: UsageCache) -> Iterator[Entry]:
    home = facts.home
    yield from _unfinished(home, cache)
    uploads = upload_folder(home)
    reason = "Files that browsers sent: each goes by itself when it was used, or after a day."
    yield _item("", "Uploads", "Uploads", "no", reason, uploads), cache.usage(uploads, growing=True)
    yield from _bin(home, cache)
    yield from _caches(facts, cache)
    labels = [path for path in home.root.glob("labels*") if not path.name.endswith(".bak")]
    reason = "Answers and votes. Sessions are deleted in the Label tab, or with `delete session`."
    usages = [cache.usage(path, growing=True) for path in labels]
    yield _item("", "Labels", "Label database", "no", reason, *labels), joined_usage(usages)
    hub_folder = _hub_folder(home)
    known = {home.models, home.datasets, home.jobs, home.cache, home.root / BIN_FOLDER, *labels}
    for path in sorted(home.root.iterdir()):
        if path in known:
            continue
        backup = path.name == "backups" or path.name.endswith(".bak")
        hub = path == hub_folder
        category = "Backups" if backup else "Hub cache" if hub else "Other files"
        yield _item("", category, path.name, "no", _other_reason(backup, hub), path), cache.usage(path, growing=True)


def _bin(home: Home, cache: UsageCache) -> Iterator[Entry]:
    """What was deleted and can still be restored."""
    for entry in list_bin(home):
        reason = entry.error or f"Deleted; it can be restored until {entry.expires[:10]}."
        item = _item(
            f"bin:{entry.id}", "Bin", f"Deleted {entry.kind} {entry.name}", "no" if entry.error else "ask", reason,
            entry.path, changed=entry.deleted,
        )  # fmt: skip
        yield item, cache.usage(entry.path)


def _hub_folder(home: Home) -> Path | None:
    """The folder of the home in which the hub's library keeps its downloads; None where it keeps them elsewhere."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).resolve()
    return home.root / cache.relative_to(home.root).parts[0] if home.root in cache.parents else None


def _other_reason(backup: bool, hub: bool) -> str:
    if backup:
        return "Backups, which the panel Backups deletes, and copies made before an upgrade, to be deleted by hand."
    if hub:
        return "Downloads of the hub's own library: `hf cache delete` takes care of them."
    return "No file that the workbench deletes."


def _unfinished(home: Home, cache: UsageCache) -> Iterator[Entry]:
    """What is being saved, and what was when a process died."""
    for shelf in (home.models, home.datasets, home.jobs, home.cache / "steps", home.cache / "encoded"):
        for path in sorted([*shelf.glob(f"{PARTIAL}*"), *shelf.glob(f"{OLD}*")]):
            gone = is_abandoned(path)
            verdict: DeletionVerdict = "yes" if gone else "no"
            reason = "Left by a process that ended before it was saved." if gone else "It is being saved now."
            key = f"unfinished:{path.relative_to(home.root).as_posix()}"
            item = _item(key, "Unfinished saves", f"Unfinished: {path.name.lstrip('.')}", verdict, reason, path)
            yield item, cache.usage(path, growing=True)


def _caches(facts: DeletionFacts, cache: UsageCache) -> Iterator[Entry]:
    """The folders of the cache; while a job waits or runs none goes, since it may be reading there."""
    verdict: DeletionVerdict = "no" if facts.live else "yes"
    for path in sorted(facts.home.cache.iterdir()):
        if path == upload_folder(facts.home) or path.name.startswith("."):
            continue
        if path.name in CACHES:
            reason = "Made anew when it is needed." if verdict == "yes" else "A job waits or runs that may read it."
            item = _item(f"cache:{path.name}", "Caches", CACHES[path.name], verdict, reason, path)
            yield item, cache.usage(path)
        elif path.suffix == ".whl" and path.is_file():
            item = _item(f"cache:{path.name}", "Caches", f"Download {path.name}", verdict, "Downloaded again.", path)
            yield item, cache.usage(path)
        else:
            yield _item("", "Caches", path.name, "no", "Small, and in use.", path), cache.usage(path, growing=True)
