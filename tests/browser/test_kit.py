"""The UI kit in a real browser, fed with made-up data by gallery.py."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gallery import Lab, build, serve
from playwright.sync_api import Locator, Page, expect

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Lab, str]]:
    lab = Lab()
    demo = build(lab)
    yield lab, serve(demo)
    demo.close(verbose=False)


@pytest.fixture
def lab(site: tuple[Lab, str]) -> Lab:
    """The engine behind the page, as new."""
    site[0].__init__()
    return site[0]


@pytest.fixture
def show(site: tuple[Lab, str], lab: Lab, page: Page) -> Open:
    def open_tab(name: str) -> Page:
        page.goto(site[1])
        page.get_by_role("tab", name=name, exact=True).click()
        return page

    return open_tab


def points(page: Page, count: int) -> None:
    expect(page.locator(".wb-live-run").first).to_have_attribute("data-points", str(count))


def axis(page: Page) -> list[float]:
    page.wait_for_function("document.querySelector('.wb-live-chart')?._fullLayout?.xaxis?.range")
    return page.evaluate("document.querySelector('.wb-live-chart')._fullLayout.xaxis.range.map(Number)")


def zoom(page: Page) -> list[float]:
    """Drag over the middle third of the loss chart, as a person does."""
    axis(page)
    box = page.locator(".wb-live-chart .nsewdrag").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.33, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.66, y, steps=4)
    page.mouse.up()
    page.wait_for_timeout(300)
    return axis(page)


# ---- live run ----------------------------------------------------------------------------------------------


def test_live_run_shows_progress_chart_tiles_facts_and_log(show: Open) -> None:
    page = show("Train")
    points(page, 140)
    view = page.locator(".wb-live-run")
    expect(view).to_have_attribute("data-job", "job-1")
    expect(view).to_have_attribute("data-status", "running")
    expect(view.locator(".wb-progress-text")).to_contain_text("46 %")
    expect(view.locator(".wb-live-time")).to_contain_text("left")
    axis(page)
    names = page.evaluate("document.querySelector('.wb-live-chart').data.map(trace => trace.name)")
    assert names == ["Train loss", "Smoothed", "Eval loss"]
    metrics = view.locator(".wb-tile").evaluate_all("tiles => tiles.map(tile => tile.dataset.metric)")
    assert metrics[:3] == ["rewards/margins", "rewards/accuracies", "rewards"]
    assert {"learning_rate", "tokens_per_second", "memory_mb", "grad_norm"} <= set(metrics)
    assert "odd" not in metrics
    expect(view.locator(".wb-kv")).to_contain_text("2.4 M of 134.5 M")
    view.locator(".wb-log summary").click()
    expect(view.locator("pre")).to_contain_text("step   59")


def test_live_run_shows_warnings_samples_by_step_and_notes(show: Open, lab: Lab) -> None:
    page = show("Train")
    points(page, 140)
    view = page.locator(".wb-live-run")
    expect(view.get_by_role("alert").filter(has_text="Step 17")).to_contain_text("The loss jumps to 9.1.")
    answers = view.locator(".wb-live-sample")
    expect(answers).to_have_text(["What is a wren?At 100."])
    slider = view.get_by_label("Step", exact=True)
    slider.press("ArrowLeft")
    expect(answers).to_have_text(["What is a wren?At 50."])
    lab.done = 150
    points(page, 150)
    expect(slider).to_have_attribute("max", "3")
    expect(answers).to_have_text(["What is a wren?At 50."])  # whoever looks back is left there
    slider.press("End")
    expect(answers).to_have_text(["What is a wren?At 150."])
    view.get_by_text("1 note", exact=True).click()
    expect(view.locator(".wb-live-notes li")).to_have_text(["A warm-up of 5% is too short for 3 steps."])


def test_zoom_survives_updates_smoothing_and_dark_mode(show: Open, lab: Lab) -> None:
    page = show("Train")
    points(page, 140)
    before = axis(page)
    zoomed = zoom(page)
    assert zoomed[1] - zoomed[0] < 0.5 * (before[1] - before[0])
    lab.done = 150
    points(page, 150)
    page.locator(".wb-live-chartbox .wb-live-smooth input").fill("0.9")
    page.locator("[data-wb-theme]").click()
    page.wait_for_timeout(300)
    assert axis(page) == pytest.approx(zoomed)
    page.locator(".wb-live-chart .nsewdrag").dblclick()
    page.wait_for_function("document.querySelector('.wb-live-chart').data[0].x.at(-1) === 150")
    assert axis(page)[1] >= 150


def test_live_run_starts_again_on_reset_and_switches_jobs(show: Open, lab: Lab) -> None:
    page = show("Train")
    points(page, 140)
    lab.generation, lab.done = 2, 30
    points(page, 30)
    lab.logged += "resumed\n"
    page.locator(".wb-log summary").click()
    expect(page.locator(".wb-log pre")).to_contain_text("resumed")
    assert page.locator(".wb-log pre").inner_text().count("step    1") == 1
    page.locator("#job input").click()
    page.get_by_role("option", name="gone").click()
    expect(page.locator(".wb-live-run .wb-empty")).to_contain_text("gone")


def test_live_run_reports_failure_and_a_silent_server(show: Open, lab: Lab) -> None:
    page = show("Train")
    points(page, 140)
    lab.fail_points = True
    expect(page.locator(".wb-live-note")).to_contain_text("Internal error")
    assert "secret" not in page.locator(".wb-live-run").inner_text()
    lab.fail_points, lab.status = False, "failed"
    expect(page.locator(".wb-live-run .wb-error")).to_contain_text("Halve the batch size")
    expect(page.locator(".wb-live-note")).to_be_hidden()


def test_twenty_thousand_points_are_thinned_for_drawing(show: Open, lab: Lab) -> None:
    lab.total, lab.done = 20_000, 20_000
    page = show("Train")
    points(page, 20_000)
    axis(page)
    assert page.evaluate("document.querySelector('.wb-live-chart').data[0].x.length") < 2_000
    zoom(page)
    dense = page.evaluate("document.querySelector('.wb-live-chart').data[0].x.length")
    assert dense < 2_000
    lab.done = 20_001
    points(page, 20_001)


# ---- hostile text ------------------------------------------------------------------------------------------


def test_hostile_text_is_only_text(page: Page) -> None:
    lab = Lab(hostile=True)
    demo = build(lab)
    lab.words = 5
    try:
        page.goto(serve(demo))
        places = {"Train": ".wb-kv", "Tokens": ".wb-token", "Compare": ".wb-msg", "Label": ".wb-vote-text p"}
        places["Merge"] = ".wb-merge-builder[data-checked]"
        for name, sign in {**places, "Pieces": ".wb-table"}.items():
            page.get_by_role("tab", name=name, exact=True).click()
            expect(page.locator(sign).first).to_be_visible(timeout=20_000)
            if name == "Label":
                lab.fail_votes = 1
                page.keyboard.press("b")
                expect(page.locator(".wb-vote-pad .wb-error")).to_contain_text("onerror")
            assert page.evaluate("window.hacked") is None
            bad = "img, a:not(.wb-merge-about > a), script, iframe, form, [onerror], [onclick], [style*=fixed]"
            assert page.locator(f"[class^=wb-] :is({bad})").count() == 0
            text = page.locator(".wb-msg-body p, .wb-vote-text p").first
            if text.count():
                expect(text).to_contain_text("<img src=x onerror=")
        expect(page.locator(".wb-table")).to_contain_text("${window.hacked='dollar'}{{constructor")
        expect(page.locator("#raw")).to_have_text("${window.hacked='raw'}{{value}}")
    finally:
        demo.close(verbose=False)


# ---- tokens ------------------------------------------------------------------------------------------------


def test_tokens_are_coloured_and_whitespace_is_visible(show: Open) -> None:
    page = show("Tokens")
    text = page.locator(".wb-token-text").first
    expect(text.locator(".wb-token")).to_have_count(25)
    assert text.locator(".is-trained").count() == 8
    assert text.locator(".is-special").count() == 4
    assert text.locator(".is-cut").count() == 3
    expect(text).to_contain_text("What·is·2+2?")
    expect(text).to_contain_text("↵")
    colours = [
        text.locator(look).first.evaluate("node => getComputedStyle(node).backgroundColor")
        for look in (".is-trained", ".is-context")
    ]
    assert colours[0] != colours[1]
    text.locator(".wb-token").nth(4).hover()
    expect(page.locator(".wb-token-status").first).to_contain_text('Token 5  ·  id 304  ·  " is"  ·  read')


def test_tokens_show_where_their_weight_in_the_loss_changes(show: Open) -> None:
    page = show("Tokens")
    text = page.locator(".wb-token-text").first
    expect(text.locator(".wb-token-weight")).to_have_text(["×0.5"])
    expect(text.locator(".wb-token-weight + .wb-token")).to_have_attribute("data-index", "18")
    text.locator(".wb-token").nth(20).hover()
    expect(page.locator(".wb-token-status").first).to_contain_text("trained on, weight 0.5")
    expect(page.locator(".wb-token-legend").first).to_contain_text("weight in the loss")


# ---- chat --------------------------------------------------------------------------------------------------


def test_chat_streams_side_by_side_and_python_gets_the_chat_id(show: Open, lab: Lab) -> None:
    page = show("Compare")
    expect(page.locator(".wb-chat-grid .wb-empty")).to_be_visible()
    page.locator("#send").click()
    expect(page.locator(".wb-msg.is-streaming")).to_have_count(3)
    expect(page.locator(".wb-pane").first).to_have_attribute("data-state", "done")
    assert page.locator(".wb-pane").count() == 3
    expect(page.locator(".wb-msg-body strong").first).to_have_text("LoRA adapter")
    expect(page.locator(".wb-msg-body pre code").first).to_have_text(re.compile("delta = alpha"))
    chat = page.locator("#chat-id textarea, #chat-id input").first.input_value()
    assert len(chat) == 32
    assert chat == lab.seen_chat == page.evaluate("localStorage.getItem('workbench.chat')")
    boxes = page.locator(".wb-pane").evaluate_all("panes => panes.map(pane => pane.getBoundingClientRect().top)")
    assert len(set(boxes)) == 1


def test_who_uses_the_device_is_said_above_the_answers_and_can_be_paused(show: Open, lab: Lab) -> None:
    lab.device = {"text": "SFT poet is running.", "can": [["pause", "Pause SFT poet", "job-1"]]}
    page = show("Compare")
    notice = page.locator(".wb-device-notice")
    expect(notice).to_contain_text("SFT poet is running.")
    notice.get_by_role("button", name="Pause SFT poet").click()
    expect(notice).to_contain_text("Pausing after this step.")
    assert lab.acted == [["pause", "job-1"]]
    lab.device = {"text": "", "can": []}
    expect(notice).to_be_hidden()


def test_chat_panes_stack_on_a_phone(show: Open, lab: Lab) -> None:
    lab.words, lab.panes = 10, 4
    page = show("Compare")
    page.set_viewport_size({"width": 420, "height": 800})
    expect(page.locator(".wb-pane")).to_have_count(4)
    page.wait_for_function(
        """() => {
          const lefts = [...document.querySelectorAll('.wb-pane')].map((pane) => pane.getBoundingClientRect().left);
          return new Set(lefts).size === 1 && document.documentElement.scrollWidth <= 420;
        }"""
    )
    expect(page.locator(".wb-pane .wb-error")).to_have_text("Not enough memory to load it.")


# ---- votes -------------------------------------------------------------------------------------------------


def test_votes_by_keyboard_to_the_end_and_back(show: Open, lab: Lab) -> None:
    page = show("Label")
    pad = page.locator(".wb-vote-pad")
    expect(pad.locator("strong").first).to_have_text("LoRA adapter")  # answers are read, not checked
    for number, key in enumerate(["ArrowLeft", "2", "t", "b", "s", "l"]):
        expect(pad).to_have_attribute("data-item", f"pair-{number}")
        expect(pad).to_have_attribute("data-busy", "false")
        page.keyboard.press(key)
    expect(pad.locator(".wb-empty")).to_contain_text("All six pairs are judged.")
    assert [vote["choice"] for vote in lab.votes] == ["left", "right", "tie", "both_bad", "skip", "right"]
    assert len({vote["key"] for vote in lab.votes}) == 6
    assert all(vote["seconds"] >= 0 and vote["annotator"] == "ann" for vote in lab.votes)
    page.keyboard.press("u")
    expect(pad).to_have_attribute("data-item", "pair-5")
    page.keyboard.press("Backspace")
    expect(pad).to_have_attribute("data-item", "pair-4")
    assert len(lab.votes) == 4
    assert len(lab.undone) == 2


def test_saved_is_shown_only_after_saving_and_a_failure_is_retried_with_the_same_key(show: Open, lab: Lab) -> None:
    page = show("Label")
    pad = page.locator(".wb-vote-pad")
    expect(pad).to_have_attribute("data-item", "pair-0")
    lab.fail_votes = 1
    page.keyboard.press("ArrowLeft")
    expect(pad.get_by_role("alert")).to_contain_text("The disk is full.")
    expect(pad.locator(".wb-vote-saved")).to_have_text("")
    expect(pad).to_have_attribute("data-item", "pair-0")
    expect(pad.locator(".is-left")).to_have_class(re.compile("is-chosen"))
    page.keyboard.press("ArrowRight")
    assert len(lab.calls) == 1
    pad.get_by_role("button", name="Retry").click()
    expect(pad.get_by_role("status")).to_have_text("Saved ✓  (1 of 6)")  # read aloud
    expect(pad.get_by_role("progressbar", name="Pairs judged")).to_have_attribute("aria-valuenow", "16")
    expect(pad).to_have_attribute("data-item", "pair-1")
    assert lab.calls[0] == lab.calls[1]
    assert [vote["choice"] for vote in lab.votes] == ["left"]


def test_letters_and_digits_can_be_switched_off_and_stay_so(show: Open, lab: Lab) -> None:
    page = show("Label")
    pad = page.locator(".wb-vote-pad")
    expect(pad).to_have_attribute("data-item", "pair-0")
    pad.get_by_label("Letters and digits vote").uncheck()
    page.reload()
    page.get_by_role("tab", name="Label", exact=True).click()
    expect(pad).to_have_attribute("data-item", "pair-0")
    expect(pad.get_by_label("Letters and digits vote")).not_to_be_checked()
    for key in ("t", "2", "b", "ArrowLeft"):
        page.keyboard.press(key)
    expect(pad).to_have_attribute("data-item", "pair-1")
    assert [vote["choice"] for vote in lab.votes] == ["left"]


def test_a_lost_connection_keeps_the_choice(show: Open, lab: Lab) -> None:
    page = show("Label")
    pad = page.locator(".wb-vote-pad")
    expect(pad).to_have_attribute("data-item", "pair-0")
    calls = re.compile("/component_server")
    page.route(calls, lambda route: route.abort())
    page.keyboard.press("b")
    expect(pad.locator(".wb-error")).to_contain_text("is kept")
    expect(pad).to_have_attribute("data-item", "pair-0")
    page.unroute(calls)
    page.keyboard.press("r")
    expect(pad).to_have_attribute("data-item", "pair-1")
    assert [vote["choice"] for vote in lab.votes] == ["both_bad"]


def test_a_vote_that_reached_no_server_is_tried_again_by_itself(show: Open, lab: Lab) -> None:
    page = show("Label")
    pad = page.locator(".wb-vote-pad")
    expect(pad).to_have_attribute("data-item", "pair-0")
    calls = re.compile("/component_server")
    page.route(calls, lambda route: route.abort())
    page.keyboard.press("t")
    expect(pad.get_by_role("alert")).to_contain_text("tried again until the server answers")
    page.unroute(calls)
    expect(pad).to_have_attribute("data-item", "pair-1", timeout=30_000)
    expect(pad.get_by_role("alert")).to_be_hidden()
    assert [vote["choice"] for vote in lab.votes] == ["tie"]


def test_keys_do_nothing_while_typing_repeating_or_on_another_tab(show: Open, lab: Lab) -> None:
    page = show("Label")
    pad = page.locator(".wb-vote-pad")
    expect(pad).to_have_attribute("data-item", "pair-0")
    note = page.locator("#note textarea, #note input").first
    note.fill("bad ")
    note.press("b")
    page.locator("#note").evaluate("node => node.querySelector('textarea, input').blur()")
    page.keyboard.press("Control+l")
    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 's', repeat: true}))")
    page.get_by_role("tab", name="Pieces", exact=True).click()
    page.keyboard.press("t")
    page.wait_for_timeout(200)
    assert lab.calls == []
    page.get_by_role("tab", name="Label", exact=True).click()
    expect(pad).to_have_attribute("data-item", "pair-0")
    page.keyboard.press("b")
    expect(pad).to_have_attribute("data-item", "pair-1")
    assert len(lab.calls) == 1


# ---- merging -----------------------------------------------------------------------------------------------


@pytest.fixture
def builder(show: Open) -> Locator:
    """The builder with its first recipe, checked; patient, since every edit asks the server."""
    page = show("Merge")
    found = page.locator(".wb-merge-builder")
    checked(found)
    return found


def checked(builder: Locator, state: str = "ready") -> None:
    expect(builder).to_have_attribute("data-checked", state)


def merged(builder: Locator, lab: Lab) -> dict[str, Any]:
    """What Python gets when the button beneath is pressed, once the last edit was checked."""
    checked(builder)
    lab.merged = {}
    builder.page.locator("#go").click()
    for _ in range(400):
        if lab.merged:
            return lab.merged
        builder.page.wait_for_timeout(50)  # not a plain sleep: requests pass through this process
    raise AssertionError("the button's event did not arrive")


def recipe(builder: Locator, lab: Lab) -> dict[str, Any]:
    return merged(builder, lab)["recipe"]


def choose_method(builder: Locator, name: str) -> None:
    builder.get_by_label("Method").select_option(name)


def test_the_builder_begins_with_two_that_fit_and_python_gets_its_value(builder: Locator, lab: Lab) -> None:
    value = merged(builder, lab)
    assert value["recipe"] == {
        "merge_method": "slerp",
        "base_model": "poet",
        "models": [{"model": "poet"}, {"model": "coder"}],
        "parameters": {"t": 0.5},
        "dtype": "float32",
        "out_dtype": "bfloat16",
    }
    assert (value["output"], value["seed"], value["kernels"]) == ("suggested", 0, "fast")
    expect(builder.locator(".wb-kv")).to_contain_text("135M parameters")


def test_a_method_around_a_base_takes_the_adapters_own_base_and_gives_it_back(builder: Locator, lab: Lab) -> None:
    choose_method(builder, "ties")
    found = recipe(builder, lab)
    assert found["base_model"] == "base"
    assert [one["model"] for one in found["models"]] == ["base", "poet", "coder"]
    assert [one.get("parameters") for one in found["models"]] == [None, {"weight": 1}, {"weight": 1}]
    assert "parameters" not in found
    builder.locator(".wb-merge-model").nth(1).get_by_label("Weight of poet").fill("0.3")
    choose_method(builder, "slerp")
    assert recipe(builder, lab)["models"] == [{"model": "poet"}, {"model": "coder"}]
    choose_method(builder, "ties")
    assert recipe(builder, lab)["models"][1]["parameters"] == {"weight": 0.3}


def test_a_gradient_is_bent_by_mouse_keyboard_and_text(builder: Locator, lab: Lab) -> None:
    builder.get_by_role("button", name="Vary Interpolation (t) over layers or modules").click()
    curve = builder.locator(".wb-merge-curve")
    box = curve.bounding_box()
    assert box
    builder.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 16)
    expect(curve.get_by_role("slider")).to_have_count(3)
    middle = curve.get_by_role("slider", name="50 % of the layers", exact=True)
    expect(middle).to_be_focused()
    checked(builder)
    expect(middle).to_be_focused()  # the check redrew everything else
    for _ in range(12):
        middle.press("ArrowUp")
    middle.press("ArrowLeft")
    curve.get_by_role("slider", name="0 % of the layers", exact=True).press("Shift+ArrowDown")
    text = builder.get_by_label("Values from the first layer to the last")
    expect(text).to_have_value("0.4, 1, 0.5")
    assert recipe(builder, lab)["parameters"] == {"t": [0.4, 1, 0.5]}
    text.fill("0, 0.5, nonsense")
    expect(text).to_have_class(re.compile("is-bad"))
    text.fill("0, 0.2, 0.4, 1")
    expect(curve.get_by_role("slider")).to_have_count(4)
    curve.get_by_role("slider").nth(1).dblclick()
    assert recipe(builder, lab)["parameters"] == {"t": [0, 0.4, 1]}
    builder.get_by_role("button", name="One value").click()
    assert recipe(builder, lab)["parameters"] == {"t": 0}


def test_modules_have_values_of_their_own_the_rest_comes_last(builder: Locator, lab: Lab) -> None:
    builder.get_by_role("button", name="Vary Interpolation (t) over layers or modules").click()
    builder.get_by_role("button", name="By module").click()
    builder.get_by_label("Value for self_attn").fill("0, 1")
    builder.get_by_label("Value for everything else").fill("0.25")
    builder.get_by_role("button", name="Add module").click()
    builder.locator(".wb-merge-filter").nth(2).get_by_label("Module").select_option("")
    builder.locator(".wb-merge-filter").nth(2).get_by_label("Part of a tensor's name").fill("layers.7.")
    assert recipe(builder, lab)["parameters"]["t"] == [
        {"filter": "self_attn", "value": [0, 1]},
        {"filter": "mlp", "value": 0.5},
        {"filter": "layers.7.", "value": 0.25},
        {"value": 0.25},
    ]
    expect(builder.locator(".wb-merge-glance:visible")).to_have_text("4 modules")


def test_layers_are_stacked_and_drawn(builder: Locator, lab: Lab) -> None:
    builder.get_by_role("button", name="Layers (frankenmerge)").click()
    bars = builder.locator(".wb-merge-bar")
    expect(bars).to_have_count(40)
    builder.get_by_label("Up to, not with, layer").first.fill("12")
    expect(bars).to_have_count(32)
    expect(bars.nth(13)).to_have_attribute("title", "layer 13 ← coder 11")
    expect(builder.locator(".wb-merge-stack b")).to_contain_text("32 layers · about 142M parameters")
    builder.get_by_role("button", name="Add slice").click()
    found = recipe(builder, lab)
    ranges = [(one["sources"][0]["model"], one["sources"][0]["layer_range"]) for one in found["slices"]]
    assert ranges[:2] == [("poet", [0, 12]), ("coder", [10, 30])]
    assert len(ranges) == 3
    assert "models" not in found and "base_model" not in found
    assert found["merge_method"] == "passthrough"
    builder.get_by_role("button", name="Whole models").click()
    assert recipe(builder, lab)["merge_method"] == "slerp"


def test_problems_are_shown_with_their_remedy(builder: Locator) -> None:
    builder.get_by_label("Model", exact=True).nth(1).select_option("poet")
    checked(builder, "problems")
    expect(builder.locator(".wb-note.is-error")).to_have_text("models a model is named twice. Take one out.")
    expect(builder.locator(".wb-merge-check-head")).to_contain_text("One thing to put right")
    builder.get_by_label("Model", exact=True).nth(1).select_option("clerk")
    checked(builder)
    expect(builder.locator(".wb-note.is-error:visible")).to_have_count(0)


def test_rows_move_by_keyboard_and_the_focus_goes_with_them(builder: Locator, lab: Lab) -> None:
    builder.get_by_role("button", name="Add model").click()
    expect(builder.get_by_label("Model", exact=True).nth(2)).to_be_focused()
    up = builder.locator(".wb-merge-model").nth(2).get_by_role("button", name="Move up")
    up.press("Enter")
    expect(builder.locator(".wb-merge-model").nth(1).get_by_role("button", name="Move up")).to_be_focused()
    builder.locator(".wb-merge-model").nth(2).get_by_role("radio").check()
    found = recipe(builder, lab)
    assert [one["model"] for one in found["models"]] == ["poet", "clerk", "coder"]
    assert found["base_model"] == "coder"


def test_yaml_is_read_strictly_and_what_has_no_control_is_kept(builder: Locator, lab: Lab) -> None:
    builder.locator(".wb-merge-yaml summary").click()
    box = builder.get_by_label("Recipe as YAML")
    expect(box).to_have_value(re.compile("merge_method: slerp"))
    box.fill("merge_method: linear\nmodls: []")
    builder.get_by_role("button", name="Apply").click()
    expect(builder.locator(".wb-merge-yaml .wb-hint")).to_contain_text("Did you mean models or")
    tokens = {"source": "union", "tokens": {"<|x|>": {"source": "poet", "force": True}}}
    given = {"merge_method": "linear", "models": [{"model": "poet", "parameters": {"weight": 0.2}}, {"model": "coder"}]}
    box.fill(json.dumps({**given, "parameters": {"weight": 0.8}, "tokenizer": tokens}))
    builder.get_by_role("button", name="Apply").click()
    expect(builder.get_by_label("Method")).to_have_value("linear")
    expect(builder.get_by_label("Weight of coder")).to_have_attribute("placeholder", "0.8")
    builder.get_by_label("Weight of poet").fill("0.6")
    found = recipe(builder, lab)
    assert found["models"][0] == {"model": "poet", "parameters": {"weight": 0.6}}
    assert found["models"][1] == {"model": "coder"}
    assert found["tokenizer"]["tokens"]["<|x|>"]["force"] is True
    builder.get_by_role("button", name="For mergekit").click()
    expect(builder.locator(".wb-merge-yaml pre")).to_contain_text("/shelf/poet")


def test_python_fills_the_builder_and_a_reload_keeps_the_recipe(builder: Locator, lab: Lab) -> None:
    page = builder.page
    page.locator("#fill").click()
    expect(builder.get_by_label("Name of the result")).to_have_value("given")
    expect(builder.get_by_label("Weight of coder")).to_have_value("0.3")
    checked(builder)
    page.reload()
    page.get_by_role("tab", name="Merge", exact=True).click()
    value = merged(builder, lab)
    assert (value["output"], value["seed"]) == ("given", 7)
    assert value["recipe"]["base_model"] == "base"
    builder.get_by_role("button", name="Start over").click()
    assert recipe(builder, lab)["merge_method"] == "slerp"


def test_new_models_appear_while_the_builder_is_open(builder: Locator, lab: Lab) -> None:
    lab.shelf.append({**lab.shelf[1], "name": "newcomer", "base": ""})
    expect(builder.get_by_label("Model", exact=True).first.locator("option[value=newcomer]")).to_be_attached()


# ---- page --------------------------------------------------------------------------------------------------


def test_dark_mode_is_remembered_and_fonts_are_our_own(show: Open) -> None:
    page = show("Train")
    expect(page.locator("body")).not_to_have_class(re.compile(r"\bdark\b"))
    page.locator("[data-wb-theme]").click()
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))
    page.reload()
    expect(page.locator(".wb-header")).to_be_visible()
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))
    page.wait_for_function("[...document.fonts].some((font) => font.status === 'loaded' && /Inter/.test(font.family))")


def test_gradios_rules_lie_beneath_ours(show: Open) -> None:
    page = show("Merge")
    loose, layered = page.evaluate(
        """() => {
          const sheets = [...document.styleSheets].filter((one) => one.href?.includes("/assets/"));
          const layered = sheets.filter((one) => [...one.cssRules].every((rule) => rule.name === "gradio"));
          return [sheets.filter((one) => !layered.includes(one)).map((one) => one.href), layered.length];
        }"""
    )
    assert loose == []
    assert layered > 5
    expect(page.locator(".wb-merge-builder .wb-h").first).to_have_css("margin-top", "0px")


def test_whatever_takes_the_focus_shows_it(builder: Locator) -> None:
    page = builder.page
    page.emulate_media(reduced_motion="reduce")  # nothing is looked at halfway to its colour
    builder.get_by_role("button", name="Vary Interpolation (t) over layers or modules").click()
    builder.locator(".wb-merge-yaml summary").click()
    page.locator("[data-wb-theme]").focus()
    shown: dict[str, int] = {}
    for _ in range(80):
        page.keyboard.press("Tab")
        kind, ring = page.evaluate(
            """() => {
              const { tagName } = document.activeElement, style = getComputedStyle(document.activeElement);
              return [tagName.toLowerCase(), tagName === "circle" ? style.strokeWidth : style.outline];
            }"""
        )
        if kind == "body":  # past the last one
            break
        assert ring == "4px" if kind == "circle" else ring.endswith("solid 2px"), (kind, ring)
        shown[kind] = shown.get(kind, 0) + 1
    assert {"button", "select", "input", "summary", "circle"} <= set(shown)


def test_the_pointer_links_chart_and_tiles(show: Open) -> None:
    page = show("Train")
    points(page, 140)
    axis(page)
    value = page.locator(".wb-tile[data-metric=learning_rate] .wb-tile-value")
    latest = value.inner_text()
    box = page.locator(".wb-live-chart .nsewdrag").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + 62)
    expect(value).to_have_text(re.compile(r"1\.5\de-4"))
    page.mouse.move(5, 5)
    expect(value).to_have_text(latest)


@pytest.mark.parametrize("width", [1366, 420])
def test_no_tab_is_wider_than_the_window(show: Open, lab: Lab, width: int) -> None:
    lab.words = 10
    page = show("Train")
    page.set_viewport_size({"width": width, "height": 768})
    points(page, 140)
    axis(page)
    page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)
