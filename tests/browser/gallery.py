"""Every part of the UI kit with made-up data: `python tests/browser/gallery.py [port]`. Tests drive it too."""

import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import gradio as gr

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tabs.label.pad_texts import pad_words
from tabs.serving.gradio_files import asset_route
from tabs.shell import elements, kit
from tabs.shell import theme as look
from tabs.shell.scripts import script_route
from tabs.shell.styles import theme_routes
from workbench.chat.conversation import Chat
from workbench.core.errors import SpecError
from workbench.merging.catalogue import methods
from workbench.merging.recipe import MergeRecipe

HOSTILE = (
    "<img src=x onerror=\"window.hacked='img'\"><script>window.hacked='script'</script>"
    "${window.hacked='dollar'}{{constructor.constructor('window.hacked=1')()}}`+(window.hacked='tick')+`"
    "<a href=\"javascript:window.hacked='link'\">x</a><img src=http://example.com/spy.png>"
)
MARKDOWN_ATTACK = (
    "![spy](http://example.com/spy.png) [go](javascript:alert(1)) <form action=http://example.com><input></form>"
    ' <p style="position:fixed" onclick="window.hacked=1">styled</p>'
)
ANSWER = (
    "A **LoRA adapter** adds two small matrices to each linear layer:\n\n"
    "- `A` has shape *r × d_in*,\n- `B` has shape *d_out × r*.\n\n"
    "```python\ndelta = alpha / r * B @ A\n```\n\n"
    "Only these are trained, so a 135 M model needs about 2 MB. " + "It merges back without any cost at inference. " * 4
)


class Lab:
    """The fake engine. Tests change its fields while the page is open."""

    def __init__(self, hostile: bool = False, total: int = 300, done: int = 140) -> None:
        self.text = HOSTILE + MARKDOWN_ATTACK if hostile else ""
        self.total, self.done, self.generation = total, done, 1
        self.status, self.fail_points = "running", False
        self.votes: list[dict[str, Any]] = []
        self.held: list[str] = []
        self.returned: list[str] = []
        self.acted: list[list[str]] = []
        self.device = {"text": "", "can": []}
        self.undone: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.fail_votes = 0
        self.slow = 0.0
        self.chat, self.words, self.speaking = Chat("lab"), 0, False
        self.panes = 3
        self.seen_chat = ""
        self.shelf = self._shelf()
        self.merged: dict[str, Any] = {}
        self.logged = "".join(f"step {i:4d}  loss {self._point(i)['loss']:.4f}\n" for i in range(1, 60))

    # -- live run
    def _point(self, step: int) -> dict[str, Any]:
        noise = random.Random(step).gauss(0, 0.12)
        fall = math.exp(-step / 90)
        point = {
            "step": step,
            "loss": 1.4 + 2.1 * fall + noise,
            "learning_rate": 2e-4 * (1 - step / (self.total + 1)),
            "tokens_per_second": 410 + 25 * noise,
            "memory_mb": 1805 + 4 * math.sin(step / 9),
            "grad_norm": 1 + noise,
            "rewards/margins": 4 * (1 - fall) + noise,
            "rewards/accuracies": min(1.0, 0.5 + 0.5 * (1 - fall)),
            "rewards/chosen": 1 - fall,
            "rewards/rejected": -3 * (1 - fall) + noise,
            "odd": math.nan,
        }
        if step % 20 == 0:
            point["eval_loss"] = 1.5 + 2.0 * fall
        return point

    def points(self, query: dict[str, Any]) -> dict[str, Any]:
        if self.fail_points:
            raise RuntimeError("secret detail")
        if query["job"] == "gone":
            return {"found": False}
        reset = query["generation"] not in (0, self.generation)
        cursor = 0 if reset else query["cursor"]
        failed = self.status == "failed"
        return {
            "found": True,
            "title": self.text or "LoRA on SmolLM2-135M-Instruct",
            "status": self.status,
            "status_text": self.text or self.status.capitalize(),
            "progress": {
                "done": self.done,
                "total": self.total,
                "text": self.text or f"Step {self.done} of {self.total}",
            },
            "eta": 4.1 * (self.total - self.done),
            "elapsed": 4.1 * self.done,
            "error": self.text or ("Out of memory at step 141." if failed else ""),
            "remedy": self.text or ("Halve the batch size, or turn on gradient checkpointing." if failed else ""),
            "generation": self.generation,
            "cursor": self.done,
            "reset": reset,
            "points": [self._point(step) for step in range(cursor + 1, self.done + 1)],
            "facts": [
                ["Base model", self.text or "SmolLM2-135M-Instruct"],
                ["Data", "dolly-small · 1,200 examples"],
                ["Trainable", "2.4 M of 134.5 M parameters (1.8 %)"],
                ["Device", "CPU, bfloat16"],
            ],
            "alarms": [
                {"step": 17, "kind": "spike", "text": f"The loss jumps to 9.1. The rows begin:\n· {self.text or 'oak'}"}
            ],
            "notes": [self.text or "A warm-up of 5% is too short for 3 steps."],
            "samples": [
                {"step": step, "index": 0, "prompt": self.text or "What is a wren?", "text": self.text or f"At {step}."}
                for step in range(0, self.done + 1, 50)
            ][0 if reset else query["samples"] :],
            "log": (self.text + "\n" + self.logged)[0 if reset else query["log"] :],
            "log_offset": len(self.text + "\n" + self.logged),
        }

    # -- chat
    def act_on_device(self, query: dict[str, Any]) -> dict[str, Any]:
        self.acted.append([query["how"], query["job"]])
        return {"text": "Pausing after this step."}

    def poll(self, query: dict[str, Any]) -> dict[str, Any]:
        self.seen_chat = query["chat"]
        if self.speaking:
            self.words += 4
            self.speaking = self.words < len(ANSWER.split(" "))
        if self.words:
            self._answer()
        return {**self.chat.reply(query), "device": self.device}

    def _answer(self) -> None:
        names = ["SmolLM2-135M", "my-lora", "my-lora-dpo", "merged-q4"][: self.panes]
        state = "streaming" if self.speaking else "done"
        said = self.text + " ".join(ANSWER.split(" ")[: self.words])
        if not self.chat.panes:
            self.chat.begin([self.text or name for name in names], "")
        for index, (pane, name) in enumerate(zip(self.chat.panes, names, strict=True)):
            pane.weights, pane.note = self.text or f"models/{name} · bf16", self.text
            pane.state, pane.error = state if index != 3 else "error", self.text or "Not enough memory to load it."
            question = {"role": "user", "content": self.text or "What does a LoRA adapter do?"}
            pane.messages = [question, {"role": "assistant", "content": said}]
            pane.stats = {1: self.text or f"{self.words} tokens · 42 tokens/s"}
        self.chat.version = self.words

    # -- votes
    def next_pair(self, query: dict[str, Any], **extra: Any) -> dict[str, Any]:
        done = len(self.votes)
        item = {
            "token": f"pair-{done}",
            "prompt": [
                {"role": "system", "content": self.text or "You are brief."},
                {"role": "user", "content": self.text or f"Question {done}: what is DPO?"},
            ],
            "answers": [
                {"text": self.text or f"Left answer {done}. " + ANSWER, "cut_off": False},
                {"text": self.text or f"Right answer {done}: it trains on pairs.", "cut_off": False},
            ],
            "ranked": False,
            "training": False,
            "done": done,
            "total": 6,
            "remaining_for_you": 6 - done,
        }
        return {
            "item": item if done < 6 else None,
            "title": "Nothing left to judge",
            "message": self.text or "All six pairs are judged.",
            "error": None,
            "can_undo": done > 0,
            "ask": {
                "graded": False,
                "aspects": [],
                "rationale": "off",
                "edits": False,
                "ranking": False,
                "raw_text": False,
                "language": "en",
                "guidelines": 0,
            },
            "pace": {"judged": done, "seconds": 4.0},
            **extra,
        }

    def vote(self, query: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(query)
        time.sleep(self.slow)
        if self.fail_votes:
            self.fail_votes -= 1
            return {"saved": False, "error": self.text or "The disk is full.", "item": None}
        if query["key"] not in [vote["key"] for vote in self.votes]:
            self.votes.append(query)
        return self.next_pair(query, saved=True)

    def undo(self, query: dict[str, Any]) -> dict[str, Any]:
        self.undone.append(query["key"])
        if self.votes:
            self.votes.pop()
        return self.next_pair(query)

    def hold(self, query: dict[str, Any]) -> dict[str, Any]:
        self.held.append(query["token"])
        return {"held": True}

    def give_back(self, query: dict[str, Any]) -> dict[str, Any]:
        self.returned.append(query["token"])
        return {}

    # -- merging
    def _shelf(self) -> list[dict[str, Any]]:
        """Four models of one shape, two of them adapters, and a smaller stranger."""
        size = {"layers": 30, "parameters": 134_515_008, "per_layer": 3_541_248, "shape": "Llama 576"}
        names = [("stranger", ""), ("base", ""), ("clerk", ""), ("poet" + self.text, "base"), ("coder", "base")]
        made = [{"name": name, "base": base, **size} for name, base in names]
        made[0] |= {"layers": 12, "shape": "GPT2 768"}
        return made

    def models(self, query: dict[str, Any]) -> dict[str, Any]:
        mark = str(len(self.shelf))
        return {"mark": mark, "models": None if query["seen"] == mark else self.shelf}

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Finds what can be found without models: an unreadable recipe, a model twice, a name that is taken."""
        reply: dict[str, Any] = {"problems": [], "facts": [["Makes", self.text or "135M parameters, 269 MB"]]}
        reply["notes"] = [{"message": self.text or "Both models share one vocabulary.", "remedy": ""}]
        reply["name"] = "suggested" if query["name"] else ""
        try:
            recipe = MergeRecipe.parse(query["recipe"])
        except SpecError as error:
            return {**reply, "problems": [vars(problem) for problem in error.problems], "yaml": ""}
        names = [source.model for source in recipe.models or []]
        if len(set(names)) < len(names):
            twice = {"field": "models", "message": self.text or "a model is named twice.", "remedy": "Take one out."}
            reply["problems"].append(twice)
        return {**reply, "yaml": recipe.to_yaml()}

    def read(self, query: dict[str, Any]) -> dict[str, Any]:
        return {"recipe": MergeRecipe.parse(query["yaml"]).to_dict()}

    def export(self, query: dict[str, Any]) -> dict[str, Any]:
        names = {one["name"]: f"/shelf/{one['name']}" for one in self.shelf}
        return {"yaml": MergeRecipe.parse(query["recipe"]).to_yaml().replace("poet", names.get("poet", "poet"))}


def tokens(lab: Lab) -> dict[str, Any]:
    """One tokenised example: special tokens, an untrained prompt, a trained answer, a cut-off end."""
    rows = []
    for index, text in enumerate(
        [
            "<|im_start|>",
            "user",
            "\n",
            "What",
            " is",
            " 2",
            "+",
            "2",
            "?",
            "<|im_end|>",
            "\n",
            "<|im_start|>",
            "assistant",
            "\n",
            "It",
            " is",
            " 4",
            ".",
            "\n\n",
            "\tSo",
            " there",
            "<|im_end|>",
            " and",
            " more",
            " text",
        ]
    ):
        rows.append(
            {
                "text": text + (lab.text if index == 3 else ""),
                "id": 300 + index,
                "trained": 13 < index < 22,
                "weight": 0 if not 13 < index < 22 else 1 if index < 18 else 0.5,
                "special": text.startswith("<|"),
                "cut": index > 21,
            }
        )
    warnings = [
        {"level": "warn", "text": lab.text or "3 tokens lie beyond the limit of 22 and are cut off."},
        {"level": "ok", "text": "The chat template ends every answer with <|im_end|>."},
    ]
    summary = [["Tokens", len(rows)], ["Trained on", lab.text or "8"], ["Cut off", "3"]]
    return {"tokens": rows, "warnings": warnings, "summary": summary, "note": lab.text or "Example 1 of 1,200."}


def build(lab: Lab) -> gr.Blocks:
    """The gallery: one tab a component."""
    with gr.Blocks(title="LLM Workbench", fill_width=True) as demo:
        kit.Static(elements.header(lab.text or "CPU · 16 GB", lab.text or "LoRA · 47 %"))
        with gr.Tabs():
            with gr.Tab("Train", id="train"):
                _train(lab)
            with gr.Tab("Tokens", id="tokens"), gr.Column(elem_classes="wb-panel"):
                kit.TokenView(tokens(lab))
                kit.TokenView()
            with gr.Tab("Merge", id="merge"):
                _merge(lab)
            with gr.Tab("Compare", id="compare"):
                _compare(lab)
            with gr.Tab("Label", id="label"), gr.Column(elem_classes="wb-panel"):
                kit.VotePad(
                    lab.next_pair, lab.vote, lab.undo, lab.hold, lab.give_back, lambda query: {"votes": []},
                    lambda query: {"version": 0, "text": ""}, pad_words("en"), {"session": "first", "annotator": "ann"},
                )  # fmt: skip
                gr.Textbox(label="Note", elem_id="note")
            with gr.Tab("Pieces", id="pieces"):
                _pieces(lab)
    return demo


def _train(lab: Lab) -> None:
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel"):
            kit.Static(elements.heading("Fine-tune", "Train an adapter on your examples."))
            gr.Dropdown(["SmolLM2-135M-Instruct", "my-lora"], label="Base model", interactive=True)
            gr.Dropdown(["dolly-small"], label="Data", info="Examples with a prompt and an answer.", interactive=True)
            with gr.Row():
                gr.Number(8, label="LoRA rank")
                gr.Number(2e-4, label="Learning rate")
            gr.Slider(1, 10, 3, label="Epochs", step=1)
            gr.Radio(["LoRA", "QLoRA", "Full"], value="LoRA", label="Method")
            gr.Checkbox(True, label="Keep the best checkpoint")
            with gr.Accordion("More options", open=False):
                gr.Number(1, label="Batch size")
            with gr.Row():
                gr.Button("Train", variant="primary")
                gr.Button("Stop", variant="stop")
        with gr.Column(elem_classes="wb-panel"):
            job = gr.Dropdown(
                ["job-1", "job-2", "gone", ""], value="job-1", label="Run", elem_id="job", interactive=True
            )
            live = kit.LiveRun(lab.points, "job-1")
            job.change(lambda name: name, job, live, show_progress="hidden")


def _merge(lab: Lab) -> None:
    def start(value: dict[str, Any]) -> str:
        lab.merged = value
        return value["output"]

    models = [{"model": "poet"}, {"model": "coder", "parameters": {"weight": 0.3}}]
    given = {"recipe": {"merge_method": "ties", "base_model": "base", "models": models}, "output": "given", "seed": 7}
    with gr.Row(elem_classes="wb-cols is-even"):
        with gr.Column(elem_classes="wb-panel"):
            catalogue = [method.to_dict() for method in methods().values()]
            builder = kit.MergeBuilder(catalogue, lab.models, lab.check, lab.read, lab.export)
            with gr.Row():
                go = gr.Button("Merge", variant="primary", elem_id="go")
                fill = gr.Button("From elsewhere", elem_id="fill")
        with gr.Column(elem_classes="wb-panel"):
            name = gr.Textbox(label="Merged", elem_id="merged")
            bars = {"data": [{"type": "bar", "x": ["poet", "coder"], "y": [2, 3]}], "layout": {"height": 200}}
            kit.Figure(bars)
    go.click(start, builder, name, show_progress="hidden")
    fill.click(lambda: given, None, builder, show_progress="hidden")


def _compare(lab: Lab) -> None:
    def say(value: dict[str, str]) -> str:
        lab.words, lab.speaking = 0, True
        return value["chat"]

    with gr.Column(elem_classes="wb-panel"):
        with gr.Row(elem_classes="wb-bar"):
            box = gr.Textbox(label="Message", scale=5)
            go = gr.Button("Send", variant="primary", scale=0, min_width=96, elem_id="send")
        chat = gr.Textbox(label="chat id", elem_id="chat-id")
    grid = kit.ChatGrid(lab.poll, lab.act_on_device)
    gr.on([go.click, box.submit], say, grid, chat, show_progress="hidden").then(None, js=kit.POKE)


def _pieces(lab: Lab) -> None:
    states = ["queued", "running", "done", "failed", "stopped", "interrupted"]
    rows = [(lab.text or f"run-{i}", elements.chip(state, lab.text), 1.5 + i / 7) for i, state in enumerate(states)]
    with gr.Row(elem_classes="wb-cols is-even"):
        with gr.Column(elem_classes="wb-panel"):
            kit.Static(elements.heading("Runs", lab.text or "Newest first."))
            kit.Static(elements.table(["Run", "Status", "Loss"], rows))
        with gr.Column(elem_classes="wb-panel"):
            kit.Static(elements.facts([("Model", lab.text or "SmolLM2"), ("Parameters", "134.5 M")]))
            kit.Static(elements.error_box(lab.text or "Out of memory.", lab.text or "Halve the batch size."))
            kit.Static(elements.empty("No models yet", lab.text or "Models you train appear here.", "Train one."))
            kit.LiveRun(lab.points)
            kit.Static(elements.hint(lab.text or "A muted sentence."))
            if lab.text:
                kit.Static("<p id=raw>${window.hacked='raw'}{{value}}</p>")


def serve(demo: gr.Blocks, port: int | None = None, block: bool = False) -> str:
    """Launch as app.py does; returns the address."""
    gr.set_static_paths(kit.static_paths())
    app, url, _ = demo.launch(
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=not block,
        quiet=True,
        theme=look.theme(),
        head=look.HEAD + str(look.role_tag("gallery")),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
    )
    app.router.routes[:0] = [script_route(), asset_route(), *theme_routes(demo)]
    return url


if __name__ == "__main__":
    serve(build(Lab()), int(sys.argv[1]) if len(sys.argv) > 1 else 7899, block=True)
