"""The family tree of an artifact: what it was made from and what was made of it, read from the manifests."""

from collections import deque
from dataclasses import dataclass, field

from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.core.markdown import plain
from workbench.family.artifacts import ArtifactKey, Artifacts, Node, node_of

MOST_NODES = 300
MOST_EDGES = 2000


@dataclass(frozen=True)
class Edge:
    """From a parent to what was made of it; `back` marks one that closes a circle, which only a forgery can."""

    parent: ArtifactKey
    child: ArtifactKey
    role: str
    back: bool = False


@dataclass
class Family:
    """All ancestors of the artifact `focus`, and all that was made from it and is on the shelf."""

    focus: ArtifactKey
    nodes: dict[ArtifactKey, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def parents(self, key: ArtifactKey) -> list[Edge]:
        return [edge for edge in self.edges if edge.child == key]

    def children(self, key: ArtifactKey) -> list[Edge]:
        return [edge for edge in self.edges if edge.parent == key]


def family(home: Home, name: str | Manifest, kind: str = "") -> Family:
    """The family of an artifact by name (a model's, unless `kind` says dataset or labels), or of a manifest
    that is not on the shelf yet. Raises `UserError` when there is no such artifact.
    """
    shelf = Artifacts(home)
    if isinstance(name, Manifest):
        start = node_of(name)
        shelf.manifests[start.key] = name
    else:
        start = shelf.here(kind or "model", name)
    tree = Family(start.key, {start.key: start})
    _ancestors(shelf, tree, start)
    _descendants(shelf, tree, start)
    _mark_circles(tree)
    return tree


def _ancestors(shelf: Artifacts, tree: Family, start: Node) -> None:
    waiting = deque([start.key])
    while waiting and _room(tree):
        child = waiting.popleft()
        for parent in shelf.parents(child)[:MOST_NODES]:
            node = shelf.resolve(parent)
            if node.key not in tree.nodes:
                tree.nodes[node.key] = node
                waiting.append(node.key)
            tree.edges.append(Edge(node.key, child, parent.role))
    if waiting:
        tree.notes.append(f"The tree goes on: only {len(tree.nodes)} of its members are shown.")


def _descendants(shelf: Artifacts, tree: Family, start: Node) -> None:
    """Everything on the shelf that names a member of the line down from `start`."""
    children: dict[ArtifactKey, list[tuple[ArtifactKey, str]]] = {}
    for key in shelf.manifests:
        for parent in shelf.parents(key):
            children.setdefault(shelf.resolve(parent).key, []).append((key, parent.role))
    waiting, visited = deque([start.key]), {start.key}
    known_edges = set(tree.edges)
    while waiting and _room(tree):
        parent_key = waiting.popleft()
        for child, role in children.get(parent_key, []):
            edge = Edge(parent_key, child, role)
            if edge not in known_edges:
                tree.edges.append(edge)
                known_edges.add(edge)
            tree.nodes.setdefault(child, node_of(shelf.manifests[child]))
            if child not in visited:
                visited.add(child)
                waiting.append(child)


def _room(tree: Family) -> bool:
    return len(tree.nodes) < MOST_NODES and len(tree.edges) < MOST_EDGES


def _mark_circles(tree: Family) -> None:
    """Marks the edges that close a circle, so that what is left has a beginning; no recursion, chains may be long."""
    state: dict[ArtifactKey, int] = {}  # 1 while its ancestors are looked at, 2 after
    back: set[Edge] = set()
    for root in tree.nodes:
        stack = [] if root in state else [(root, iter(tree.parents(root)))]
        state.setdefault(root, 1)
        while stack:
            key, edges = stack[-1]
            edge = next(edges, None)
            if edge is None:
                state[key] = 2
                stack.pop()
            elif state.get(edge.parent) == 1:
                back.add(edge)
            elif edge.parent not in state:
                state[edge.parent] = 1
                stack.append((edge.parent, iter(tree.parents(edge.parent))))
    tree.edges = [Edge(edge.parent, edge.child, edge.role, edge in back) for edge in dict.fromkeys(tree.edges)]
    if back:
        names = ", ".join(sorted({edge.parent[1] for edge in back}))
        tree.notes.append(f"Its manifests go in a circle at {plain(names)}: at least one of them is not true.")


def as_text(tree: Family) -> str:
    """The ancestors as an indented tree under the artifact, then what was made of it."""
    lines = [_words(tree.nodes[tree.focus])]
    lines += _branches(tree, tree.focus, up=True)
    below = _branches(tree, tree.focus, up=False)
    if below:
        lines += ["made from it:", *below]
    return "\n".join([*lines, *tree.notes])


def _branches(tree: Family, start: ArtifactKey, up: bool) -> list[str]:
    """One line a member, each member's own relatives once."""
    lines: list[str] = []
    shown = {start}
    stack = [(edge, 1) for edge in reversed(_next(tree, start, up))]
    while stack:
        edge, depth = stack.pop()
        key = edge.parent if up else edge.child
        onward = _next(tree, key, up)
        again = key in shown and bool(onward)
        remark = " (closes a circle)" if edge.back else " (see above)" if again else ""
        lines.append("  " * depth + f"{plain(edge.role) or 'parent'}: {_words(tree.nodes[key])}{remark}")
        if key not in shown and not edge.back:
            shown.add(key)
            stack += [(relative, depth + 1) for relative in reversed(onward)]
    return lines


def _next(tree: Family, key: ArtifactKey, up: bool) -> list[Edge]:
    return tree.parents(key) if up else tree.children(key)


def _words(node: Node) -> str:
    about = [plain(node.kind), plain(node.method), node.created[:10], node.digest[:8]]
    state = f" · {node.state}" if node.state else ""
    return f"{plain(node.name)} ({', '.join(detail for detail in about if detail)}){state}"
