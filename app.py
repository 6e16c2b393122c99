"""LLM Workbench: composes the tabs and launches. `python app.py`, or `python -m workbench app`."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from tabs import compare, data, jobs, label, models, train
from tabs._context import Context
from tabs._kit import Static, header, static_paths
from tabs._theme import CSS_PATHS, HEAD, theme
from workbench.chat.service import ChatService
from workbench.hardware import known
from workbench.home import Home
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner


def _header(ctx: Context) -> str:
    live = next((view for view in ctx.queue.live() if view.status == "running"), None)
    return header(known(ctx.home).describe(), live.label if live else "", "running")


def compose(ctx: Context) -> gr.Blocks:
    """The whole page, tabs in the order of the loop."""
    with gr.Blocks(title="LLM Workbench", fill_width=True, analytics_enabled=False) as demo:
        top = Static(_header(ctx))
        ctx.follow(top, lambda: _header(ctx))
        version = gr.Textbox(visible=False)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Models", id="models"):
                models.build(ctx)
            with gr.Tab("Data", id="data"):
                data.build(ctx)
            with gr.Tab("Train", id="train"):
                form = train.build(ctx)
            with gr.Tab("Compare", id="compare"):
                compare.build(ctx)
            with gr.Tab("Label", id="label"):
                label.build(ctx, form, [tabs])
            with gr.Tab("Jobs", id="jobs"):
                jobs.build(ctx)
        ctx.wire(demo, version)
    return demo


def launch(home: Home, host: str = "127.0.0.1", port: int = 7860, block: bool = True) -> tuple[gr.Blocks, Context]:
    """Serves the page; the runner and a warm worker start beside it."""
    queue = Queue(home)
    ctx = Context(home, queue, Runner(home, queue), ChatService(home))
    gr.set_static_paths(static_paths())
    demo = compose(ctx)
    demo.queue(default_concurrency_limit=8).launch(
        server_name=host, server_port=port, prevent_thread_lock=True, theme=theme(), css_paths=CSS_PATHS, head=HEAD,
        footer_links=[], run_history=False, ssr_mode=False, enable_monitoring=False, share=False, quiet=True,
        max_file_size="4gb", state_session_capacity=200,
    )  # fmt: skip
    ctx.runner.start()
    print(f"LLM Workbench is at http://{host}:{port}  (home: {home.root})", flush=True)
    if block:
        demo.block_thread()
    return demo, ctx


if __name__ == "__main__":
    launch(Home.default(), os.environ.get("WORKBENCH_HOST", "127.0.0.1"), int(os.environ.get("WORKBENCH_PORT", "7860")))
