"""Who may call what the pages offer: their events and server functions, by the code they run.

The login itself is checked for every call before it gets here; `permissions` holds calls to this table. A test lists
what the running pages offer and fails as long as something new has no entry.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from tabs.serving.routes import Who

_OF_OWNERS: dict[str, Who] = dict.fromkeys(
    (
        "compress.gguf.gguf_list.show",
        "compress.panels.quantize.submit",
        "data.clean.clean.<lambda> _show",
        "data.export.export.<lambda> gr update",
        "data.export.export.write",
        "data.export.preview",
        "data.export.push.submit",
        "data.importing._way",
        "data.importing._ways.<lambda>",
        "data.importing.importing.<lambda> _add",
        "data.importing.importing.<lambda> _arrived",
        "data.importing.importing.<lambda> _check",
        "data.importing.importing.<lambda> import_sample home name",
        "data.generate.make.<lambda> submit",
        "data.generate.result.<lambda> _open",
        "data.token_view._jinja",
        "data.token_view.sees.<lambda> _step",
        "data.token_view.sees.<lambda>",
        "data.token_view.sees.show",
        "data.statistics.statistics_view.<lambda> gr update CUSTOM get_template text",
        "data.statistics.statistics_view.asked",
        "data.statistics.statistics_view.unasked",
        "merge.ensembles.ensembles.<lambda> _create data",
        "shell.job_panel.job_panel.<lambda>",
        "shell.links.chooser.fill",
        "shell.links.filler.fill",
        "label.database_problem.trouble_panel.<lambda> _recover",
        "label.database_problem.trouble_panel.<lambda> _state",
        "label.dashboard_panel.dashboard_panel.choose_settler",
        "label.dashboard_panel.dashboard_panel.count_annotators",
        "label.dashboard_panel.dashboard_panel.dismiss_settler",
        "label.dashboard_panel.dashboard_panel.draw_work",
        "label.dashboard_panel.dashboard_panel.work_changed",
        "label.adjudication_panel.adjudication_panel.case_changed",
        "label.result.result_panel.<lambda> _delete",
        "label.result.result_panel.changed",
        "label.result.result_panel.end",
        "label.result.result_panel.refresh",
        "label.result.result_panel.see",
        "label.new_session_forms.NewSession.wire.generate_answers",
        "label.new_session_forms.NewSession.wire.import_answers",
        "label.session_folds.adding_fold.clone_chosen",
        "label.session_folds.adding_fold.extend_session",
        "label.session_folds.checks_fold.add_questions",
        "label.session_folds.follow_session.fill_folds",
        "label.session_folds.guidelines_fold.save_guidelines",
        "label.session_folds.settings_fold.save_settings",
        "label.session_head.session_head.changed",
        "label.session_head.session_head.masked",
        "label.session_head.session_head.mover.moved",
        "label.session_head.session_head.shown",
        "merge.panels.family_tree.draw",
        "merge.panels.family_tree.follow",
        "merge.recipe.recipe.submit",
        "shell.result_panel.result_panel.<lambda> html",
        "shell.result_panel.result_panel.pick",
        "shell.result_panel.result_panel.refresh",
        "shell.result_panel.result_panel.tick",
        "forms.sections.job_section.submit",
        "compare.tab.build.<lambda> _send",
        "compare.tab.build.<lambda> chats clear _chat",
        "compare.tab.build.<lambda> chats regenerate _chat _decoding",
        "compare.tab.build.<lambda> chats stop _chat",
        "data.dataset_panel._splitting.<lambda> _resplit",
        "data.dataset_panel.dataset_panel.<lambda> _delete",
        "data.dataset_panel.dataset_panel.<lambda> gr update get shelved_datasets",
        "data.dataset_panel.dataset_panel.draw",
        "data.dataset_panel.dataset_panel.tick",
        "data.tab._views.<lambda> gr Tabs",
        "data.tab._views.<lambda>",
        "data.tab.build.<lambda> gr update shelved_datasets skip",
        "jobs.tab.build.<lambda> _chosen",
        "jobs.tab.build.<lambda> _delete",
        "jobs.tab.build.<lambda> _settings",
        "label.tab.build.<lambda> gr update get sessions",
        "models.tab._add_folder.<lambda> _import",
        "models.details._wire.<lambda> _delete",
        "models.details._wire.<lambda> _fold",
        "models.details.model_details.<lambda> gr update get shelved_models",
        "models.details.model_details.draw",
        "models.tab._get.<lambda> JOBS parse",
        "overview.backup_panel.BackupPanel.choose",
        "overview.backup_panel.BackupPanel.plan",
        "overview.backup_panel.BackupPanel.start",
        "overview.backup_panel.BackupPanel.stop",
        "overview.backup_panel.backup_panel.<lambda> delete",
        "overview.bin_panel.BinPanel.choose",
        "overview.bin_panel.BinPanel.empty",
        "overview.bin_panel.BinPanel.restore",
        "overview.bin_panel.bin_panel.<lambda> remove",
        "overview.disk_panel.DiskPanel.choose",
        "overview.disk_panel.DiskPanel.delete_spent",
        "overview.disk_panel.disk_panel.<lambda> delete",
        "overview.machine_panel.MachinePanel.check",
        "overview.space_banner.space_banner.dismissed",
        "overview.space_banner.space_banner.opened",
        "overview.tab._start",
        "people.tab._joining.joining_changed",
        "people.tab._joining.joining_now",
        "people.record_panel.record_panel.as_csv",
        "people.record_panel.record_panel.as_jsonl",
        "people.tab._manage.disable",
        "people.tab._manage.enable",
        "people.tab._manage.invited",
        "people.tab._manage.reset",
        "people.tab._manage.set_role",
        "people.tab._switch.linked",
        "people.tab._switch.switched",
        "train.tab.build.<lambda> job_yaml _job",
        "train.tab.build.<lambda> filled get",
        "train.tab.build.<lambda> filled gr skip",
        "train.tab.build.<lambda> shown queue submit _job",
        "train.rate_finder.finder_button.search",
        "train.rate_finder.finder_result.taken",
    ),
    Who.OWNER,
)
EVENTS: dict[str, Who] = _OF_OWNERS | {
    "label.adjudication_panel.adjudication_panel.draw_case": Who.ANNOTATOR,
    "label.adjudication_panel.adjudication_panel.settle_case": Who.ANNOTATOR,
    "label.adjudication_panel.adjudication_panel.undo_case": Who.ANNOTATOR,
    "label.voting.voting_panel.chosen": Who.ANNOTATOR,
    "label.voting.voting_panel.opened": Who.ANNOTATOR,
    "label.voting.voting_panel.remembered": Who.ANNOTATOR,
    "people.signed_in.signed_in.named": Who.MEMBER,
    "label.role_pages._show_results.view_changed": Who.VIEWER,
    "label.role_pages._show_results.view_result": Who.VIEWER,
}
"""Events, by the function behind each; see `events`."""

_FUNCTIONS_OF_OWNERS: dict[str, Who] = dict.fromkeys(
    (
        "address_line.find",
        "chat_grid.act",
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
        "item_search.search",
        "ladder.estimates",
        "ladder.fit",
        "live_run.act",
        "live_run.points",
        "merge_builder.check",
        "merge_builder.export",
        "merge_builder.models",
        "merge_builder.read",
        "notice_bell.notices",
        "notes_panel.change",
        "notes_panel.read",
        "notes_panel.write",
        "shelf_table.rows_of",
        "training_check.fit",
        "training_check.rows",
        "training_check.takes",
    ),
    Who.OWNER,
)
SERVER_FUNCTIONS: dict[str, Who] = _FUNCTIONS_OF_OWNERS | {
    "address_line.find_session": Who.MEMBER,
    "notice_bell.own_notices": Who.ANNOTATOR,
    "pulse.changes": Who.MEMBER,
    "vote_pad.cast_vote": Who.ANNOTATOR,
    "vote_pad.guidelines": Who.ANNOTATOR,
    "vote_pad.hold_pair": Who.ANNOTATOR,
    "vote_pad.next_pair": Who.ANNOTATOR,
    "vote_pad.own_votes": Who.ANNOTATOR,
    "vote_pad.return_pair": Who.ANNOTATOR,
    "vote_pad.undo_vote": Who.ANNOTATOR,
}
"""What components call, as `component.function`."""


def events(demo: gr.Blocks) -> Iterator[str]:
    """The events of a page that call the server, by the function behind each: `module.function`.

    A lambda goes by the function it stands in and the names it uses, so that a new one is told from its neighbours.
    """
    for event in demo.fns.values():
        if event.fn is not None:
            yield event_name(event.fn)


def server_functions(demo: gr.Blocks) -> Iterator[str]:
    """The functions a page's components call, as `component.function`."""
    for block in demo.blocks.values():
        for function in vars(block).values():
            if getattr(function, "_is_server_fn", False):
                yield function.__qualname__


def event_name(function: Any) -> str:
    """What an entry of `EVENTS` calls the function behind an event."""
    while inner := getattr(function, "__wrapped__", None) or getattr(function, "func", None):
        function = inner
    name = f"{function.__module__}.{function.__qualname__}".removeprefix("tabs.").replace(".<locals>", "")
    if function.__name__ != "<lambda>":
        return name
    return f"{name} {' '.join(function.__code__.co_names)}".rstrip()
