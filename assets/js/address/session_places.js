/* The places of a page that shows one labelling session, to those who judge or to those who read results. */

import { decoded, placeOf, rootAddress, shownThings } from "../lib/address.js";

const ELSEWHERE = "That link leads to a part of the workbench that this page does not show.";

/**
 * @param {string} page the page's part of the address: label, results
 * @returns {import("./address_line.js").Places}
 */
export function sessionPlaces(page) {
  const root = rootAddress(); // Gradio's <base> keeps it, whatever the address becomes
  document.addEventListener("wb-shown", () =>
    document.documentElement.toggleAttribute("data-session", Boolean(shownThings.get("session"))),
  );
  /** @param {string} tab @param {string} name */
  const place = (tab, name) => ({ tab, section: "", kind: "session", name });

  return {
    asked() {
      const [first = "", ...rest] = location.pathname.slice(root.pathname.length).split("/");
      if (first) return place(first, decoded(rest.join("/")));
      const { tab, kind, name } = placeOf(location.search);
      const isHere = !tab || (kind === "session" && (page === "results" || tab === page));
      return place(isHere ? page : tab, name);
    },
    now: () => place(page, shownThings.get("session") ?? ""),
    href({ name }) {
      if (name) return new URL(`${page}/${encodeURIComponent(name)}`, root).href;
      return location.pathname === root.pathname ? root.href : new URL(page, root).href;
    },
    title: () => "",
    show: async ({ tab }) => (tab === page ? "" : ELSEWHERE),
  };
}
