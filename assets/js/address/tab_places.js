/* The places of the workbench: its tabs, the tabs within them, and the thing that a tab shows. */

import { kindOfTab, placeOf, queryOf, shownThings } from "../lib/address.js";
import { until } from "../lib/polling.js";

/** @typedef {import("../lib/address.js").Place} Place */

const MOUNTED_MS = 20_000;
const TAB = '.tab-wrapper button[role="tab"]';

/** @returns {HTMLElement[]} */
const tabs = () => [...document.querySelectorAll(`#tabs > ${TAB}`)].map((tab) => /** @type {HTMLElement} */ (tab));

/** The tabs within the tab that is shown. */
const sections = () =>
  [...document.querySelectorAll(`#tabs .wb-subtabs > ${TAB}`)]
    .map((tab) => /** @type {HTMLElement} */ (tab))
    .filter((tab) => tab.offsetParent !== null);

/** @param {HTMLElement[]} row */
const selected = (row) => row.find((tab) => tab.getAttribute("aria-selected") === "true");

/** @param {HTMLElement[]} row @param {string} id */
const named = (row, id) => row.find((tab) => tab.dataset.tabId === id);

/** @param {HTMLElement | undefined} tab */
function select(tab) {
  if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
}

/** @returns {import("./address_line.js").Places} */
export function tabPlaces() {
  let isOpened = false;

  return {
    asked() {
      const place = placeOf(location.search);
      return place.tab === "results" ? { ...place, tab: "label" } : place;
    },

    now() {
      const tab = selected(tabs())?.dataset.tabId;
      if (!tab) return null;
      const row = sections();
      const section = selected(row);
      const kind = kindOfTab(tab);
      const name = shownThings.get(kind) ?? "";
      return { tab, section: (section !== row[0] && section?.dataset.tabId) || "", kind, name };
    },

    href(place) {
      const isFirst = place.tab === tabs()[0]?.dataset.tabId && !place.section && !place.name;
      const query = queryOf(isFirst ? { ...place, tab: "" } : place, location.search);
      return new URL(location.pathname + query + location.hash, location.origin).href;
    },

    title: ({ tab }) => named(tabs(), tab)?.textContent?.trim() ?? "",

    async show({ tab, section }) {
      if (!(await until(() => tabs().length, MOUNTED_MS))) return "";
      const isLeftToTheme = !isOpened && !tab; // the page's early script goes to the tab that was left
      isOpened = true;
      if (isLeftToTheme) return "";
      const button = tab ? named(tabs(), tab) : tabs()[0];
      if (!button) return `There is no tab ${tab}.`;
      select(button);
      if (section && !(await until(() => named(sections(), section), MOUNTED_MS / 2)))
        return `The tab ${button.textContent?.trim()} has no part ${section}.`;
      select(section ? named(sections(), section) : sections()[0]);
      return "";
    },
  };
}
