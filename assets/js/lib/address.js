/* The addresses of the page: where one is stands in the query, as ?tab=data&section=clean&dataset=talks. */

/** What a tab shows one of, by the tab; results of sessions stand in the Label tab, too. @type {Record<string, string>} */
const KIND_OF_TAB = { models: "model", data: "dataset", jobs: "job", label: "session", results: "session" };
const KINDS = [...new Set(Object.values(KIND_OF_TAB))];
const OURS = ["tab", "section", ...KINDS];

/** @typedef {{ tab: string, section: string, kind: string, name: string }} Place */

/** The kind of thing a tab shows one of, "" where it shows none. @param {string} tab */
export const kindOfTab = (tab) => (Object.hasOwn(KIND_OF_TAB, tab) ? KIND_OF_TAB[tab] : "");

/** @param {string} kind */
const tabOfKind = (kind) => Object.keys(KIND_OF_TAB).find((tab) => KIND_OF_TAB[tab] === kind) ?? "";

/**
 * The place a query leads to; what it does not say is "".
 * @param {string} query
 * @returns {Place}
 */
export function placeOf(query) {
  const asked = new URLSearchParams(query);
  const named = KINDS.find((kind) => asked.get(kind)) ?? "";
  const tab = asked.get("tab") || tabOfKind(named);
  const kind = kindOfTab(tab);
  return { tab, section: asked.get("section") ?? "", kind, name: (kind && asked.get(kind)) || "" };
}

/**
 * The query that leads to a place; what the query so far says of other things is kept.
 * @param {Place} place
 * @param {string} query
 */
export function queryOf({ tab, section, kind, name }, query = "") {
  const asked = new URLSearchParams(query);
  for (const key of OURS) asked.delete(key);
  if (tab) asked.set("tab", tab);
  if (section) asked.set("section", section);
  if (kind && name) asked.set(kind, name);
  const text = asked.toString();
  return text && `?${text}`;
}

/**
 * The whole address of a thing in the workbench, as somebody else opens it.
 * @param {string} kind
 * @param {string} name
 */
export function linkTo(kind, name) {
  return new URL(queryOf({ tab: tabOfKind(kind), section: "", kind, name }) || ".", rootAddress()).href;
}

/**
 * What a login takes as `next`, so that it comes back to where somebody is: the query of the page, or the session of a
 * page of one, as the server asks for it.
 * @param {{ pathname: string, search: string }} address
 * @param {string} root the path of the workbench
 */
export function nextOfLogin({ pathname, search }, root) {
  const [page = "", ...rest] = pathname.slice(root.length).split("/");
  if (!page) return search.slice(1);
  const session = rest.join("/");
  return new URLSearchParams({ tab: page, ...(session && { session: decoded(session) }) }).toString();
}

/** A part of an address as a text; as it stands where it is none. @param {string} text */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of the page without its query. */
export const rootAddress = () => new URL(".", document.baseURI);

/** Which thing of each kind is shown. @type {Map<string, string>} */
export const shownThings = new Map();

/**
 * Notes that a thing is shown; none when the name is empty.
 * @param {string} kind
 * @param {string | null | undefined} name
 */
export function noteShown(kind, name) {
  shownThings.set(kind, name || "");
  document.dispatchEvent(new Event("wb-shown"));
}
