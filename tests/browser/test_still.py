"""Nothing moves under the pointer: a tab is shown with all its parts, and they stay where they are."""

from pathlib import Path

from driving import serving
from playwright.sync_api import Page, expect
from test_accessibility import QUIET, TABS, filled, names, tabs

from tests.toys import toy_home

MOST_SHIFT = 0.02
"""Cumulative layout shift of a tab; up to 0.1 is called 'good', https://web.dev/articles/cls."""
LATENCY_MILLISECONDS = 40
"""Of every request: on this machine all parts come nearly at once, over a network one after another."""
WATCH = """() => {
  const name = (node) => {
    const one = node?.nodeType === 1 ? node : node?.parentElement;
    return one ? `${one.tagName}#${one.id} ${one.textContent.trim().slice(0, 30)}` : '?';
  };
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries()) {
      const moved = ({ node, previousRect, currentRect }) => `${name(node)}: ${previousRect.y} to ${currentRect.y} px`;
      window.shifts.push({ value, moved: sources.map(moved) });
    }
  }).observe({ type: 'layout-shift' });
}"""
WITH_INNER = ("Data", "Compress")
OPEN = "tab => tab.click()"
"""Not a person's press: what moves within half a second of one is not counted."""


def open_calmly(page: Page, of: str, name: str) -> None:
    tabs(page, of).filter(has_text=name).evaluate(OPEN)
    expect(tabs(page, of).filter(has_text=name)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".tabitem.is-settling")).to_have_count(0)
    page.evaluate(QUIET)


def moved(page: Page, where: str) -> list[str]:
    """What moved since the last look, if it was too much."""
    shifts = page.evaluate("() => window.shifts.splice(0)")
    total = sum(one["value"] for one in shifts)
    return [f"{where}: {total:.3f} {one['moved']}" for one in shifts] if total > MOST_SHIFT else []


def test_what_a_tab_shows_stays_where_it_is(page: Page, tmp_path: Path) -> None:
    with serving(filled(toy_home(tmp_path))) as app:
        page.add_init_script(f"({WATCH})()")
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": LATENCY_MILLISECONDS, "downloadThroughput": -1, "uploadThroughput": -1},
        )
        page.goto(app.url)
        expect(tabs(page, "#tabs").first).to_be_visible()
        page.wait_for_function("document.documentElement.dataset.shelfMark")
        expect(page.locator(".tabitem.is-settling")).to_have_count(0)
        page.evaluate(QUIET)
        found = moved(page, "Page")
        for name in TABS[1:]:
            open_calmly(page, "#tabs", name)
            found += moved(page, name)
            for inner in names(page, ".wb-subtabs:visible")[1:] if name in WITH_INNER else []:
                open_calmly(page, ".wb-subtabs:visible", inner)
                found += moved(page, f"{name}, {inner}")
    assert found == []
