"""The UI kit in a real browser, fed with made-up data by gallery.py."""

import re
from collections.abc import Callable, Iterator

import pytest
from gallery import Lab, build, serve
from playwright.sync_api import Page, expect

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
    view.locator("summary").click()
    expect(view.locator("pre")).to_contain_text("step   59")


def test_zoom_survives_updates_smoothing_and_dark_mode(show: Open, lab: Lab) -> None:
    page = show("Train")
    points(page, 140)
    before = axis(page)
    zoomed = zoom(page)
    assert zoomed[1] - zoomed[0] < 0.5 * (before[1] - before[0])
    lab.done = 150
    points(page, 150)
    page.locator(".wb-live-smooth input").fill("0.9")
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
        for name, sign in {**places, "Pieces": ".wb-table"}.items():
            page.get_by_role("tab", name=name, exact=True).click()
            expect(page.locator(sign).first).to_be_visible()
            if name == "Label":
                lab.fail_votes = 1
                page.keyboard.press("b")
                expect(page.locator(".wb-vote-pad .wb-error")).to_contain_text("onerror")
            assert page.evaluate("window.hacked") is None
            own = "[class^=wb-] :is(img, a, script, iframe, form, [onerror], [onclick], [style*=fixed])"
            assert page.locator(own).count() == 0
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


def test_chat_panes_stack_on_a_phone(show: Open, lab: Lab) -> None:
    lab.words, lab.panes = 10, 4
    page = show("Compare")
    page.set_viewport_size({"width": 420, "height": 800})
    expect(page.locator(".wb-pane")).to_have_count(4)
    lefts = page.locator(".wb-pane").evaluate_all("panes => panes.map(pane => pane.getBoundingClientRect().left)")
    assert len(set(lefts)) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    expect(page.locator(".wb-pane .wb-error")).to_have_text("Not enough memory to load it.")


# ---- votes -------------------------------------------------------------------------------------------------


def test_votes_by_keyboard_to_the_end_and_back(show: Open, lab: Lab) -> None:
    page = show("Label")
    pad = page.locator(".wb-vote-pad")
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
    expect(pad.locator(".wb-error")).to_contain_text("The disk is full.")
    expect(pad.locator(".wb-vote-saved")).to_have_text("")
    expect(pad).to_have_attribute("data-item", "pair-0")
    expect(pad.locator(".is-left")).to_have_class(re.compile("is-chosen"))
    page.keyboard.press("ArrowRight")
    assert len(lab.calls) == 1
    pad.get_by_role("button", name="Retry").click()
    expect(pad.locator(".wb-vote-saved")).to_have_text("Saved ✓  (1 of 6)")
    expect(pad).to_have_attribute("data-item", "pair-1")
    assert lab.calls[0] == lab.calls[1]
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


# ---- page --------------------------------------------------------------------------------------------------


def test_dark_mode_is_remembered_and_fonts_are_our_own(show: Open) -> None:
    page = show("Train")
    expect(page.locator("body")).not_to_have_class(re.compile(r"\bdark\b"))
    page.locator("[data-wb-theme]").click()
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))
    page.reload()
    expect(page.locator(".wb-header")).to_be_visible()
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate(
        "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family.replaceAll('\"', ''))"
    )
    assert "Inter" in loaded


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
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
