"""Every artifact of a home by what its manifest says: which of them another manifest's entry means."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.core.errors import UserError
from workbench.core.home import Home, list_artifacts
from workbench.core.lineage import Manifest, Parent, read_manifest
from workbench.core.row_cache import RowCache
from workbench.family.front_matter import declared

if TYPE_CHECKING:
    from workbench.preferences.sessions import SessionInfo

GONE, OTHER, HUB = "no longer on the shelf", "another version is on the shelf now", "named by its author, not here"
VOTED = "votes were added since"
SHELVES = {"model": "models", "adapter": "models", "dataset": "datasets"}

ArtifactKey = tuple[str, str, str]
_MANIFESTS = RowCache(lambda folder: read_manifest(folder).model_copy(update={"name": folder.name}))


@dataclass(frozen=True)
class Node:
    """One artifact. kind: model, adapter, dataset or labels (a session). `state` is '' for one that is here."""

    kind: str
    name: str
    digest: str = ""
    state: str = ""
    method: str = ""
    job: str = ""
    created: str = ""

    @property
    def key(self) -> ArtifactKey:
        return self.kind, self.name, self.digest


class Artifacts:
    """Every manifest of a home, and the sessions as manifests, by (kind, name, digest)."""

    def __init__(self, home: Home):
        self.home = home
        self.manifests: dict[ArtifactKey, Manifest] = {}
        shelves = list_artifacts(home.models), list_artifacts(home.datasets)
        for folders in shelves:
            _MANIFESTS.keep_only(folders)
        for folder in itertools.chain(*shelves):
            try:
                manifest = _MANIFESTS.row(folder)
            except (UserError, OSError):
                continue
            self.manifests[node_of(manifest).key] = manifest
        for manifest in _sessions(home):
            self.manifests[node_of(manifest).key] = manifest
        self._named: dict[tuple[str, str], list[ArtifactKey]] = {}
        self._digests: dict[tuple[str, str], list[ArtifactKey]] = {}
        for key in self.manifests:
            self._named.setdefault((shelf_of(key[0]), key[1]), []).append(key)
            self._digests.setdefault((shelf_of(key[0]), key[2]), []).append(key)

    def here(self, kind: str, name: str) -> Node:
        """The artifact of that name; raises `UserError`."""
        for key in self._named.get((shelf_of(kind), name), []):
            return node_of(self.manifests[key])
        raise UserError(f"There is no {kind} {name!r}.", "See `list models` and `list datasets`.", "name")

    def resolve(self, parent: Parent) -> Node:
        """The node a manifest's entry means: by digest, else by name; one that left the shelf has a `state`."""
        shelf = shelf_of(parent.kind)
        named = self._named.get((shelf, parent.name), [])
        exact = self._digests.get((shelf, parent.digest), []) if parent.digest else []
        best = [key for key in named if key in exact] or exact or ([] if parent.digest else named)
        if best:
            return node_of(self.manifests[best[0]])
        state = (VOTED if parent.kind == "labels" else OTHER) if named else HUB if "/" in parent.name else GONE
        return Node(parent.kind, parent.name, parent.digest, state)

    def parents(self, key: ArtifactKey) -> list[Parent]:
        """What a manifest names, and for a downloaded model what its model card names."""
        manifest = self.manifests.get(key)
        if manifest is None:
            return []
        folder = self.home.root / SHELVES[manifest.kind] / manifest.name if manifest.kind in SHELVES else None
        named_parents = [] if folder is None else [self._local(parent) for parent in _declared(folder, manifest)]
        return [*manifest.parents, *named_parents]

    def _local(self, parent: Parent) -> Parent:
        """A hub id as the name it has on the shelf, if it was downloaded from there."""
        for key, manifest in self.manifests.items():
            if shelf_of(key[0]) == shelf_of(parent.kind) and manifest.made_by.get("repo") == parent.name:
                return parent.model_copy(update={"name": key[1], "digest": key[2]})
        return parent


def node_of(manifest: Manifest) -> Node:
    """The artifact a manifest describes."""
    made_by = manifest.made_by
    method = str(made_by.get("method") or ("export" if "export" in made_by else ""))
    job = str(made_by.get("job") or "")
    return Node(manifest.kind, manifest.name, manifest.digest, "", method, job, manifest.created)


def shelf_of(kind: str) -> str:
    """Where things of a kind lie: models and adapters lie together."""
    return SHELVES.get(kind, kind)


def _declared(folder: Path, manifest: Manifest) -> list[Parent]:
    if manifest.made_by.get("method") not in ("hub-model", "import-folder"):
        return []
    card = declared(folder)
    bases = [] if manifest.parent("base") else card.base_model
    named = [("model", name, "base") for name in bases] + [("dataset", name, "dataset") for name in card.datasets]
    return [Parent(kind=kind, name=name, role=role) for kind, name, role in named]


def _sessions(home: Home) -> list[Manifest]:
    """The label sessions as manifests; none when nothing was labelled yet or the database fails."""
    if not home.labels.is_file():
        return []
    from workbench.preferences.export import session_digest
    from workbench.preferences.sessions import list_sessions

    try:
        return [_session(session, session_digest(home, session.name)) for session in list_sessions(home)]
    except UserError:
        return []


def _session(session: "SessionInfo", digest: str) -> Manifest:
    from workbench.preferences.sessions import model_of

    # which models meet in an open session is not shown to those who may vote in it
    compared = dict.fromkeys(map(model_of, session.models)) if session.closed else {}
    return Manifest(
        kind="labels",
        name=session.name,
        digest=digest,
        created=session.created,
        made_by=session.made_by,
        parents=[
            *(Parent(kind="model", name=name, role="compared") for name in compared),
            Parent(kind="dataset", name=session.prompts_name, role="prompts"),
        ],
    )
