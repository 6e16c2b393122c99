"""Who may call what the page offers: its events and server functions, by the code they run.

Every entry is for whoever is logged in, or for everybody where no login is asked for; the login itself is checked for
every call before it gets here. Roles, when they come, are told apart in this table. A test lists what the running page
offers and fails as long as something new has no entry.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from tabs.serving.routes import Who

EVENTS: dict[str, Who] = dict.fromkeys(
    (
        "_compress_gguf.gguf_list.show",
        "_compress_parts.quantize.submit",
        "_data_clean.clean.<lambda> _show",
        "_data_export.export.<lambda> gr update",
        "_data_export.export.write",
        "_data_export.preview",
        "_data_export.push.submit",
        "_data_import._way",
        "_data_import._ways.<lambda>",
        "_data_import.importing.<lambda> _add",
        "_data_import.importing.<lambda> _arrived",
        "_data_import.importing.<lambda> _check",
        "_data_import.importing.<lambda> import_sample home name",
        "_data_make.make.<lambda> submit",
        "_data_make.result.<lambda> _open",
        "_data_sees._jinja",
        "_data_sees.sees.<lambda> _step",
        "_data_sees.sees.<lambda>",
        "_data_sees.sees.show",
        "_data_statistics.statistics_view.<lambda> gr update CUSTOM get_template text",
        "_data_statistics.statistics_view.asked",
        "_data_statistics.statistics_view.unasked",
        "_ensembles.ensembles.<lambda> _create data",
        "_job_panel.job_panel.<lambda>",
        "_label_file.trouble_panel.<lambda> _recover",
        "_label_file.trouble_panel.<lambda> _state",
        "_label_result.result_panel.<lambda> _delete",
        "_label_result.result_panel.<lambda> _to_dpo",
        "_label_result.result_panel.changed",
        "_label_result.result_panel.end",
        "_label_result.result_panel.refresh",
        "_label_result.result_panel.see",
        "_label_voting.voting_panel.<lambda> _open",
        "_label_voting.voting_panel.<lambda>",
        "_merge_parts.family_tree.draw",
        "_merge_parts.mixture.write",
        "_merge_recipe.recipe.submit",
        "_result_panel.result_panel.<lambda> html",
        "_result_panel.result_panel.pick",
        "_result_panel.result_panel.refresh",
        "_result_panel.result_panel.tick",
        "_sections.job_section.submit",
        "compare.build.<lambda> _send",
        "compare.build.<lambda> chats clear _chat",
        "compare.build.<lambda> chats regenerate _chat _decoding",
        "compare.build.<lambda> chats stop _chat",
        "compress.build.<lambda> _to_cost",
        "compress.build.<lambda> _to_train",
        "compress.connect.fill",
        "data._dataset.<lambda> _about mark_of home",
        "data._dataset.<lambda> _delete",
        "data._dataset.<lambda> _resplit",
        "data._dataset.tick",
        "data._views.<lambda>",
        "data.build.<lambda> gr update shelved_datasets skip",
        "jobs.build.<lambda> _chosen",
        "jobs.build.<lambda> _delete",
        "jobs.build.<lambda> _settings",
        "label.build.<lambda> _start",
        "merge._ways.<lambda> _recipe_of gr Tabs",
        "merge._ways.<lambda> gr update _made models Tabs",
        "merge.connect.to_compare",
        "merge.connect.to_label",
        "models._add_folder.<lambda> _import",
        "models._details.read",
        "models._details.remove",
        "models._details.start_fold",
        "models._get.<lambda> JOBS parse",
        "train.build.<lambda> _job to_yaml",
        "train.build.<lambda> filled gr skip",
        "train.build.<lambda> shown queue submit _job",
    ),
    Who.MEMBER,
)
"""Events, by the function behind each; see `events`."""

SERVER_FUNCTIONS: dict[str, Who] = dict.fromkeys(
    (
        "chat_grid.poll",
        "data_rows.add_row",
        "data_rows.bad",
        "data_rows.cards",
        "data_rows.download_bad",
        "data_rows.remove_row",
        "data_rows.save",
        "data_rows.undo_last",
        "data_rows.whole",
        "data_steps.apply",
        "data_steps.check",
        "data_steps.load",
        "data_steps.read",
        "data_steps.restore",
        "data_steps.save",
        "data_steps.touched",
        "data_steps.undo",
        "form.lists",
        "ladder.estimates",
        "ladder.fit",
        "live_run.act",
        "live_run.points",
        "merge_builder.check",
        "merge_builder.export",
        "merge_builder.models",
        "merge_builder.read",
        "pulse.changes",
        "shelf_table.rows_of",
        "vote_pad.cast_vote",
        "vote_pad.hold_pair",
        "vote_pad.next_pair",
        "vote_pad.return_pair",
        "vote_pad.undo_vote",
    ),
    Who.MEMBER,
)
"""What components call, as `component.function`."""


def events(demo: gr.Blocks) -> Iterator[str]:
    """The events of a page that call the server, by the function behind each: `module.function`.

    A lambda goes by the function it stands in and the names it uses, so that a new one is told from its neighbours.
    """
    for event in demo.fns.values():
        if event.fn is not None:
            yield _name(event.fn)


def server_functions(demo: gr.Blocks) -> Iterator[str]:
    """The functions a page's components call, as `component.function`."""
    for block in demo.blocks.values():
        for function in vars(block).values():
            if getattr(function, "_is_server_fn", False):
                yield function.__qualname__


def _name(function: Any) -> str:
    while inner := getattr(function, "__wrapped__", None) or getattr(function, "func", None):
        function = inner
    name = f"{function.__module__}.{function.__qualname__}".removeprefix("tabs.").replace(".<locals>", "")
    if function.__name__ != "<lambda>":
        return name
    return f"{name} {' '.join(function.__code__.co_names)}".rstrip()
