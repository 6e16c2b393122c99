"""The Data tab: bring data in, look at it, clean it, count it, see it as the model will, make more, write it out."""

import gradio as gr

from tabs.data.clean import clean
from tabs.data.dataset_panel import dataset_panel
from tabs.data.export import export
from tabs.data.generate import make
from tabs.data.importing import importing
from tabs.data.rows import rows_view
from tabs.data.statistics import statistics_view
from tabs.data.token_view import sees
from tabs.shell.context import Context
from tabs.shell.job_panel import LAST, QUIET
from tabs.shell.tab_registry import Tab


def build(ctx: Context) -> None:
    """Left: import. Right: one dataset, its facts, and what can be done with it."""
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=380):
            imported = importing(ctx)
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                dataset, mark, steps = dataset_panel(ctx)
            with gr.Column(elem_classes="wb-panel"):
                _views(ctx, dataset, mark, steps)
    imported.change(
        lambda name: gr.update(value=name, choices=ctx.shelved_datasets()) if name else gr.skip(), imported, dataset,
        queue=False, **QUIET,
    )  # fmt: skip


def _views(ctx: Context, dataset: gr.Dropdown, mark: gr.Textbox, steps: dict[str, gr.Button]) -> None:
    """A tab for everything that is done with a dataset; what takes long is done only where it is seen."""
    opened = gr.Textbox("rows", visible=False)
    with gr.Tabs(overflow_behavior="wrap", elem_classes="wb-subtabs", elem_id="data-tabs") as views:
        with gr.Tab("Rows", id="rows") as rows_tab:
            rows = rows_view(ctx)
        with gr.Tab("Clean", id="clean") as clean_tab:
            clean(ctx, dataset)
        with gr.Tab("Statistics", id="statistics") as statistics_tab:
            statistics_view(ctx, dataset, mark, opened)
        with gr.Tab("What the model sees", id="sees") as sees_tab:
            sees(ctx, dataset, mark, opened)
        with gr.Tab("Make more", id="make") as make_tab:
            make(ctx, dataset)
        with gr.Tab("Export", id="export") as export_tab:
            export(ctx, dataset)
    tabs = (rows_tab, clean_tab, statistics_tab, sees_tab, make_tab, export_tab)
    for tab, name in zip(tabs, ("rows", "clean", "statistics", "sees", "make", "export"), strict=True):
        tab.select(lambda name=name: name, None, opened, queue=False, **LAST, **QUIET)
    mark.change(
        None, [dataset, mark, rows], rows, js="(dataset, mark, value) => ({...(value || {}), dataset, mark})", **QUIET
    )
    for name in ("clean", "export"):
        steps[name].click(lambda name=name: gr.Tabs(selected=name), None, views, queue=False, **QUIET)


TAB = Tab("data", "Data", 20, build)
