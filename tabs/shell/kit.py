"""The page's own parts: live run, token view, chat grid, vote pad, merge builder.

The components are functions that return a `gr.HTML`, not subclasses: Gradio writes a `.pyi` file beside
the module of every subclass. Their JavaScript lies in `assets/js/`; they are fed through server functions and
never put text of people or models into a template.
"""

import inspect
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from htpy import div

from tabs.shell.scripts import mount_call
from workbench.core.assets import ASSETS
from workbench.core.errors import UserError

log = logging.getLogger(__name__)

POKE = "() => { document.dispatchEvent(new Event('wb-poke')); }"
"""JavaScript for `event(js=POKE)`: every live component asks the server now instead of at its next turn."""
REVEAL = """() => { const seen = (node) => node.checkVisibility();
  if ([...document.querySelectorAll('.wb-form [aria-invalid=true]')].some(seen)) return;
  [...document.querySelectorAll('.wb-live-run')].find(seen)
  ?.scrollIntoView({ block: 'nearest' }); }"""
"""JavaScript for `event(js=REVEAL)`: brings the job panel of the shown tab into view, from the end of a long form,
unless something was refused that is told in the form."""

Query = dict[str, Any]
Answer = Callable[..., dict[str, Any]]
Lines = tuple[str, str, str]


def static_paths() -> list[Path]:
    """Folders and files to hand to `gr.set_static_paths` before launching."""
    return [ASSETS / "fonts", ASSETS / "icon.svg"]


# ---- components --------------------------------------------------------------------------------------------


def LiveRun(
    points: Answer,
    value: str | None = None,
    empty: Lines = ("No run selected", "Progress, loss and log of a run appear here.", "Start a run or choose one."),
    act: Answer | None = None,
    **options: Any,
) -> gr.HTML:
    """Live view of one job: status, progress, loss chart, other metrics, facts and log.

    value: the job's id, or "" / None for the empty state.
    points: called with {"job", "cursor", "generation", "log"} about once a second while the view is seen; its "can"
    lists what may be done with the job as [how, label]. act: called with {"job", "how"} for one of those; {"text"}.
    """

    def clean(query: Query, request: gr.Request) -> dict[str, Any]:
        reply = dict(_call(points, query, request))
        reply["points"] = [_finite(point) for point in reply.get("points") or ()]
        return reply

    functions = {"points": clean, **({"act": act} if act else {})}
    return component("live_run", value or "", functions, empty, **options)


def TokenView(
    value: dict[str, Any] | None = None,
    empty: Lines = ("What the model sees", "The tokens of one example, and which of them are learned.", ""),
    **options: Any,
) -> gr.HTML:
    """Tokens of one example, coloured by whether the loss counts them.

    value: {"tokens": [{"text", "trained", "special", "cut", "id"?}], "warnings": [{"level", "text"}],
    "summary": [[name, value]], "note": str} or None.
    """
    return component("token_view", value, {}, empty, **options)


def ChatGrid(
    poll: Answer,
    act: Answer,
    value: dict[str, str] | None = None,
    empty: Lines = ("Nothing asked yet", "Answers of one to four models stream here.", "Write a message to begin."),
    **options: Any,
) -> gr.HTML:
    """Answers of up to four models side by side, streamed.

    value: {"chat": id}; when None the browser's remembered chat id is put in and reaches event handlers.
    poll: called with {"chat", "version"} every 100 ms while busy, else every second. act: does a {"how"} that poll's
    "device" offers.
    """
    return component("chat_grid", value, {"poll": poll, "act": act}, empty, **options)


def VotePad(
    next_pair: Answer,
    vote: Answer,
    undo: Answer,
    hold: Answer,
    give_back: Answer,
    own_votes: Answer,
    guidelines: Answer,
    words: Mapping[str, str],
    value: dict[str, str] | None = None,
    empty: Lines = ("No session open", "Two answers appear side by side, without names.", "Open or create a session."),
    **options: Any,
) -> gr.HTML:
    """Blind voting by keyboard; a vote is shown as saved only after the server said so.

    value: {"session": name, "annotator": str} or None. Every function is called with it, and answers {"item", "title",
    "message", "wait", "can_undo", "note", "ask", "pace"}: with no item, the pad asks again after `wait` seconds; "ask"
    is what the session asks for, "words" come when the session's language is another than the call's. A vote's answer
    has "saved", "feedback" after a training question, and "next_error" when it was kept but no next pair came.
    hold: called with {"token"} too while the pair is seen; {"held": bool}. give_back: the same, when the page closes.
    own_votes: {"votes": [{"event", "choice", "strength", "created", "prompt"}]}; undo takes {"event"}. guidelines:
    {"version", "text"}. words: the pad's texts by their keys, in English.
    """
    functions = {
        "next_pair": next_pair, "cast_vote": vote, "undo_vote": undo, "hold_pair": hold, "return_pair": give_back,
        "own_votes": own_votes, "guidelines": guidelines,
    }  # fmt: skip
    return component("vote_pad", value, functions, empty, words=dict(words), **options)


def MergeBuilder(
    catalogue: Sequence[dict[str, Any]],
    models: Answer,
    check: Answer,
    read: Answer,
    export: Answer,
    value: dict[str, Any] | None = None,
    empty: Lines = ("No models yet", "A recipe is put together from models of the shelf.", "Get a model first."),
    **options: Any,
) -> gr.HTML:
    """A merge recipe, put together by hand or as YAML, and checked while it is.

    value: {"recipe": mergekit's configuration with names of the shelf, "output", "seed", "kernels"}; when None the
    browser begins with two models that fit. catalogue: `MethodInfo.to_dict()` of every method.
    models: called with {"seen": mark}; {"models": None} if nothing changed, else {"mark", "models": [{"name", "base",
    "layers", "parameters", "per_layer", "shape"}]}, oldest first; only models of one shape can be merged.
    check: called with the value and {"name": whether to suggest an output}; {"problems": [{"field", "message",
    "remedy"}], "notes": [{"message", "remedy"}], "facts": [[label, text]], "yaml", "name"}.
    read: called with {"yaml"}; {"recipe"}. export: called with {"recipe"}; {"yaml"} for mergekit itself.
    """
    functions = {"models": models, "check": check, "read": read, "export": export}
    return component("merge_builder", value, functions, empty, catalogue=list(catalogue), **options)


def Figure(value: dict[str, Any] | None = None, **options: Any) -> gr.HTML:
    """A place for a plotly figure given as plain JSON, {"data", "layout"}; it takes no room while there is none.

    The page sets its colours and draws it when it is first seen. Trace types are those of plotly's cartesian bundle.
    """
    return component("figure_box", value, {}, ("", "", ""), elem_classes="wb-figure-block", **options)


def CodeView(label: str, value: str = "", file: str = "", **options: Any) -> gr.HTML:
    """A text of code to read, to copy and, under the name `file`, to save; it takes no room while there is none."""
    return component("code_view", value, {}, ("", "", ""), label=label, file=file, **options)


def Static(value: str = "", **options: Any) -> gr.HTML:
    """Plain HTML made by the helpers below, without Gradio's text styles around it."""
    return gr.HTML(value, apply_default_css=False, js_on_load=None, **options)


def component(
    name: str, value: Any, functions: dict[str, Answer], empty: Lines, constants: Mapping[str, Any] | None = None,
    **options: Any,
) -> gr.HTML:  # fmt: skip
    """The component that assets/js/main.js knows by this name, and whose root element is of class wb-<name>.

    constants: what never changes of it, and is there whatever becomes of its props before it is drawn.
    """
    return gr.HTML(
        value=value,
        html_template=str(div(f".wb-{name.replace('_', '-')}")),
        js_on_load=mount_call(name, constants or {}),
        apply_default_css=False,
        server_functions=[_served(name, title, function) for title, function in functions.items()],
        empty=list(empty),
        **options,
    )


ODD_QUERY = "This call has no named values. Reload the page."


def _served(component_name: str, name: str, function: Answer) -> Answer:
    """A server function called `name`; an exception becomes {"error": …}, since Gradio would answer nothing."""

    def answer(query: Query, request: gr.Request) -> dict[str, Any]:
        if not isinstance(query, dict):  # no page of ours sends it, and every function looks into it
            return {"error": ODD_QUERY}
        try:
            return _call(function, query, request)
        except Exception as error:
            if not isinstance(error, UserError):
                log.exception("%s failed", name)
            return {"error": _sentence(error)}

    answer.__name__, answer.__qualname__ = name, f"{component_name}.{name}"
    return answer


def _call(function: Answer, query: Query, request: gr.Request) -> dict[str, Any]:
    """Call with the query, and with the HTTP request too if the function has a parameter named `request`."""
    if "request" in inspect.signature(function).parameters:
        return function(query, request=request)
    return function(query)


def _sentence(error: Exception) -> str:
    """What to show for an exception: its own words with the remedy, or its kind when it is no user error."""
    if isinstance(error, UserError):
        return f"{error.message} {error.remedy}".strip()
    return f"Internal error ({type(error).__name__}). See the server log."


def _finite(point: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in point.items() if not (isinstance(value, float) and not math.isfinite(value))}
