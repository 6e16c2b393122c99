"""Family trees and model cards: from manifests alone, honest ones and forged ones."""

import html
import json
import re
from pathlib import Path

import pytest

from tabs.figures.family import figure, generations, layout
from tests.voting import by, close
from workbench.core.errors import UserError
from workbench.core.home import Home, atomic_dir, list_artifacts
from workbench.core.lineage import Manifest, Parent, parent_of, read_manifest, write_manifest
from workbench.core.spec import load_yaml
from workbench.data.store.datasets import write_rows
from workbench.family.front_matter import declared
from workbench.family.model_card import model_card
from workbench.family.tree import as_text, family
from workbench.preferences import sessions, store, tables
from workbench.preferences.export import export_dataset
from workbench.preferences.votes import next_item, vote


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


def put(home: Home, name: str, parents: list[Parent] = [], kind: str = "model", text: str = "", **made_by: str) -> Path:  # noqa: B006
    with atomic_dir(home.models / name, replace=True) as folder:
        (folder / "config.json").write_text(text or json.dumps({"name": name}))
        write_manifest(folder, Manifest(kind=kind, name=name, parents=parents, made_by=made_by or {"method": "toy"}))
    return home.models / name


def chain(home: Home) -> None:
    """start → sft; start and sft compared in a session → pairs → dpo, an adapter of start going on from sft."""
    start = put(home, "start")
    rows = [
        {"messages": [{"role": "user", "content": f"Q{n}"}, {"role": "assistant", "content": "A"}]} for n in range(3)
    ]
    write_rows(home, "talks", "conversation", rows)
    parents = [parent_of(start, "base"), parent_of(home.datasets / "talks", "dataset")]
    sft = put(home, "sft", parents, "adapter", method="train", job="job-1")
    made_by = {"method": "generate", "job": "job-2"}
    sessions.create_session(home, "votes", ["start", "sft"], "talks", made_by, votes_per_pair=2)
    answers = {name: sessions.Answer(f"I am {name}.", "eos", 3) for name in ("start", "sft")}
    sessions.add_answers(home, "votes", 0, [{"role": "user", "content": "Who?"}], answers)
    sessions.finish_session(home, "votes")
    cast(home)
    close(home, "votes")
    export_dataset(home, "votes", "pairs", eval_fraction=0)
    parents = [parent_of(start, "base"), parent_of(home.datasets / "pairs", "dataset"), parent_of(sft, "start")]
    put(home, "dpo", parents, "adapter", method="train", job="job-3")


def open_again(home: Home) -> None:
    """As an earlier version left it, which made datasets of open sessions."""
    with store.writing(home) as db:
        db.execute(tables.session_events.delete())


def cast(home: Home, annotator: str = "ann") -> None:
    item = next_item(home, "votes", by(annotator))
    assert item
    vote(home, "votes", by(annotator), item.token, "left", f"key-{annotator}", 1.0)


def names(found: object) -> set[str]:
    return {key[1] for key in found.nodes}  # type: ignore[attr-defined]


def roles(found: object) -> set[tuple[str, str, str]]:
    return {(edge.parent[1], edge.role, edge.child[1]) for edge in found.edges}  # type: ignore[attr-defined]


# ---- ancestors and descendants -----------------------------------------------------------------------------


def test_a_dpo_adapter_knows_its_pairs_their_session_and_the_models_compared(home: Home) -> None:
    chain(home)
    found = family(home, "dpo")
    assert names(found) == {"dpo", "start", "sft", "pairs", "votes", "talks"}
    assert {
        ("start", "base", "dpo"),
        ("sft", "start", "dpo"),
        ("pairs", "dataset", "dpo"),
        ("votes", "labels", "pairs"),
        ("sft", "compared", "votes"),
        ("talks", "prompts", "votes"),
        ("talks", "dataset", "sft"),
    } <= roles(found)
    assert not any(node.state for node in found.nodes.values()) and not found.notes
    assert {node.name: node.job for node in found.nodes.values()}["votes"] == "job-2"


def test_downwards_are_the_children_on_the_shelf(home: Home) -> None:
    chain(home)
    put(home, "stranger")
    assert names(family(home, "start")) == {"start", "sft", "votes", "pairs", "dpo"}
    found = family(home, "talks", "dataset")
    assert names(found) == {"talks", "sft", "votes", "pairs", "dpo"}
    assert names(family(home, "votes", "labels")) == {"votes", "start", "sft", "talks", "pairs", "dpo"}
    with pytest.raises(UserError, match="no model 'nobody'"):
        family(home, "nobody")


def test_what_was_deleted_or_changed_is_told(home: Home) -> None:
    base = put(home, "base")
    put(home, "other")
    put(home, "child", [parent_of(base, "base"), parent_of(home.models / "other", "merged")], "adapter")
    put(home, "base", text='{"name": "another"}')
    (home.models / "other" / "manifest.yaml").unlink()
    state = {node.name: node.state for node in family(home, "child").nodes.values()}
    assert state == {"child": "", "base": "another version is on the shelf now", "other": "no longer on the shelf"}
    assert names(family(home, "base")) == {"base"}  # the child was made from other weights
    assert "base: base (model, " in as_text(family(home, "child"))


def test_a_copy_under_another_name_is_found_by_its_digest(home: Home) -> None:
    base = put(home, "base")
    put(home, "child", [parent_of(base, "base")], "adapter")
    base.rename(home.models / "renamed")
    found = family(home, "child")
    assert names(found) == {"child", "renamed"} and not found.nodes[found.edges[0].parent].state


def test_an_open_session_does_not_tell_which_models_meet_in_it(home: Home) -> None:
    chain(home)
    open_again(home)
    compared = {role for role in roles(family(home, "dpo")) if role[1:] == ("compared", "votes")}
    assert compared == set()


def test_votes_added_later_are_told(home: Home) -> None:
    chain(home)
    open_again(home)
    cast(home, "bob")
    states = {node.state for node in family(home, "dpo").nodes.values() if node.kind == "labels"}
    assert states == {"votes were added since"}


def test_a_manifest_that_is_not_on_the_shelf_yet_has_ancestors(home: Home) -> None:
    base = put(home, "base")
    found = family(home, Manifest(kind="model", name="new", parents=[parent_of(base, "merged")]))
    assert roles(found) == {("base", "merged", "new")}


# ---- forgeries ---------------------------------------------------------------------------------------------


def test_a_circle_ends_and_is_told(home: Home) -> None:
    for name, parent in (("a", "b"), ("b", "c"), ("c", "a"), ("self", "self")):
        put(home, name, [Parent(kind="model", name=parent, role="base")])
    found = family(home, "a")
    assert names(found) == {"a", "b", "c"} and sum(edge.back for edge in found.edges) == 1
    assert "circle" in found.notes[0] and "closes a circle" in as_text(found)
    assert len(family(home, "self").nodes) == 1
    json.dumps(figure(found))


def test_a_manifest_of_thousands_of_parents_and_a_long_chain_stay_bounded(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, "crowd", [Parent(kind="model", name=f"p{n}", role="merged") for n in range(2000)])
    assert len(family(home, "crowd").nodes) <= 301
    for n in range(60):
        put(home, f"m{n}", [Parent(kind="model", name=f"m{n - 1}", role="base")] if n else [])
    assert max(generations(family(home, "m59")).values()) == 59
    monkeypatch.setattr("workbench.family.tree.MOST_NODES", 30)
    found = family(home, "m59")
    assert len(found.nodes) == 30 and "goes on" in found.notes[0]
    assert as_text(found).count("base: ") == 29


def test_names_cannot_break_out_of_the_figure_or_the_text(home: Home) -> None:
    evil = "<a href='javascript:x'>x</a>\n  base: fake"
    put(home, "child", [Parent(kind="model", name=evil, role="<b>\nbase")])
    found = family(home, "child")
    assert len(as_text(found).splitlines()) == 2
    shown = [str(trace.get(part)) for trace in figure(found)["data"] for part in ("text", "hovertext", "name")]
    assert not any("<a href" in text for text in shown)
    assert any(html.escape("<a href") in text for text in shown)


# ---- what the card of a downloaded model says --------------------------------------------------------------


def card_of(home: Home, name: str, text: str, **made_by: str) -> None:
    put(home, name, [], "model", "", method="hub-model", **made_by)
    (home.models / name / "README.md").write_text(text)


def test_a_downloaded_models_card_names_its_base_and_datasets(home: Home) -> None:
    card_of(home, "fine", "---\nbase_model: org/base\ndatasets:\n- org/talks\nlicense: mit\n---\n# Hi", repo="org/fine")
    found = family(home, "fine")
    assert roles(found) == {("org/base", "base", "fine"), ("org/talks", "dataset", "fine")}
    assert {node.state for node in found.nodes.values()} == {"", "named by its author, not here"}
    put(home, "local-base", method="hub-model", repo="org/base")
    assert ("local-base", "base", "fine") in roles(family(home, "fine"))


@pytest.mark.parametrize(
    "text",
    [
        "no front matter",
        "---\nbase_model: [unclosed\n---\n",
        "---\na: &x [1]\nbase_model: *x\n---\n",
        "---\nbase_model: {a: 1}\n---\n",
        "---\nbase_model: 17\ndatasets: [[x], 3, '']\n---\n",
        "---\nbase_model: " + "x" * 500 + "\n---\n",
        "---\n---\n",
        "---\n- a\n---\n",
        "---\n" + "x: 1\n" * 50_000 + "---\n",
    ],
)
def test_a_strange_card_names_nothing(home: Home, text: str) -> None:
    card_of(home, "odd", text)
    assert declared(home.models / "odd").base_model == []
    assert names(family(home, "odd")) == {"odd"}


# ---- the figure --------------------------------------------------------------------------------------------


def test_how_each_was_made_stands_once_at_the_edges_that_lead_to_it(home: Home) -> None:
    for name in ("one", "two"):
        put(home, name, method="train")
    put(home, "both", [parent_of(home.models / name, "merged") for name in ("one", "two")], method="merge")
    put(home, "small", [parent_of(home.models / "both", "base")], method="quantize-with-a-long-method-name")
    arrows = next(trace for trace in figure(family(home, "both"))["data"] if "text" in trace and "textfont" in trace)
    assert sorted(arrows["text"]) == ["", "merge", "quantize-wi…ethod-name"]


def test_long_names_are_cut_in_the_middle(home: Home) -> None:
    put(home, "a-model-of-a-very-long-name-step-100")
    shown = figure(family(home, "a-model-of-a-very-long-name-step-100"))["data"][-1]["text"]
    assert "a-model-of-…e-step-100" in shown[0]


def test_the_figure_has_every_node_once_parents_left_of_children(home: Home) -> None:
    chain(home)
    found = family(home, "dpo")
    made = figure(found)
    json.dumps(made)
    clickable = [tuple(one[:2]) for trace in made["data"] for one in trace.get("customdata", [])]
    assert sorted(clickable) == sorted((key[0], key[1]) for key in found.nodes)
    places, routes = layout(found)
    spots = {point for route in routes for point in route[1:-1]}
    assert spots and not spots & set(places.values())  # long edges run behind no node
    assert len(set(places.values())) == len(places)
    assert all(places[edge.parent][0] < places[edge.child][0] for edge in found.edges)


def test_plotly_takes_the_figure(home: Home) -> None:
    import plotly.graph_objects as go

    chain(home)
    made = figure(family(home, "start"))
    assert len(go.Figure(made).data) == len(made["data"]) > 0  # plotly checks every setting as it takes it


def test_a_few_swaps_untangle_the_lines(home: Home) -> None:
    for name in "abcd":
        put(home, name)
    for name, parent in zip("wxyz", "dcba", strict=True):
        put(home, name, [parent_of(home.models / parent, "base")])
    put(home, "end", [parent_of(home.models / name, "merged") for name in "wxyz"])
    found = family(home, "end")
    places, _ = layout(found)
    heights = [(places[edge.parent][1], places[edge.child][1]) for edge in found.edges if edge.role == "base"]
    assert [one for one, _ in sorted(heights)] == sorted(one for one, _ in heights)
    assert [two for _, two in sorted(heights)] == sorted(two for _, two in heights)


# ---- model cards -------------------------------------------------------------------------------------------


def merged(home: Home) -> Manifest:
    for name in ("left", "right"):
        put(home, name, method="hub-model", repo=f"org/{name}")
        (home.models / name / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    recipe = {"merge_method": "slerp", "base_model": "left", "models": [{"model": "left"}, {"model": "right"}]}
    return Manifest(
        kind="model",
        name="both",
        parents=[parent_of(home.models / name, "merged") for name in ("left", "right")],
        made_by={"method": "merge", "recipe": {**recipe, "parameters": {"t": 0.5}}, "seed": 3, "job": "job-9"},
        versions={"torch": "2.13"},
    )


def head(card: str) -> dict[str, object]:
    return dict(load_yaml(card.split("---\n")[1]))


def test_a_card_says_what_it_is_made_from_and_how(home: Home) -> None:
    manifest = merged(home)
    card = model_card(manifest, home=home, proof={"perplexity": {"both": {"perplexity": 9.5, "low": 9, "high": 10}}})
    front = head(card)
    assert front["base_model"] == ["org/left", "org/right"] and front["base_model_relation"] == "merge"
    assert front["license"] == "apache-2.0" and front["library_name"] == "transformers"
    assert {"merge", "mergekit"} <= set(front["tags"])  # type: ignore[call-overload]
    block = re.search(r"```yaml\n(.*?)```", card, re.S)
    assert block and load_yaml(block[1]) == manifest.made_by["recipe"]
    assert manifest.parents[0].digest[:12] in card and "9.5" in card and "from_pretrained" in card
    assert "merged: left (model" in card


def test_a_card_can_be_written_before_the_shelf_is_known(home: Home) -> None:
    card = model_card(merged(home))
    assert "license" not in head(card) and "slerp" in card and "base_model" not in head(card)


def test_licences_that_differ_are_not_claimed(home: Home) -> None:
    manifest = merged(home)
    (home.models / "right" / "README.md").write_text("---\nlicense: mit\n---\n")
    assert "license" not in head(model_card(manifest, home=home))


def test_nothing_breaks_out_of_its_place_in_a_card(home: Home) -> None:
    evil = "x | y\n```\n# Owned <script>alert(1)</script>"
    manifest = Manifest(
        kind="model",
        name="child",
        parents=[Parent(kind="model", name=evil, role=evil, digest=evil)],
        made_by={"method": evil, "recipe": {"merge_method": evil}},
        versions={evil: evil},
    )
    card = model_card(manifest, home=home, sections={evil: evil})
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", card)
    assert "<script>" not in outside and "```" not in outside
    assert not any(line.strip().startswith("# Owned") for line in outside.splitlines())
    row = next(line for line in card.splitlines() if line.startswith("| x"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert head(card)["library_name"] == "transformers"


def test_every_artifact_of_a_home_has_a_card(home: Home) -> None:
    chain(home)
    for folder in list_artifacts(home.models):
        manifest = read_manifest(folder)
        front = head(model_card(manifest, home=home))
        assert front["library_name"] == ("peft" if manifest.kind == "adapter" else "transformers")
