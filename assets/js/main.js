/* The page's own components. Each is a gr.HTML whose script calls `mount` with what Gradio gives it; its module is
   loaded when the first of its kind is drawn. */
import "./lib/login.js";
import { emptyState } from "./lib/dom.js";
import { followPresses, whenReleased } from "./lib/press.js";
import { awaited, holdOpenedTabs } from "./lib/settling.js";
import { defineTime } from "./lib/time.js";

defineTime();
followPresses(document, window);

export { withChat } from "./chat/identity.js";
export { labelLinkCopied } from "./label/label_link.js";
export { noteShown } from "./lib/address.js";
export { copiedLabel } from "./lib/browser.js";
export { takeStates } from "./shelf/pulse.js";

const COMPONENTS = {
  address_line: () => import("./address/address_line.js"),
  chat_grid: () => import("./chat/grid.js"),
  code_view: () => import("./code/code_view.js"),
  data_format: () => import("./data/format.js"),
  data_rows: () => import("./data/rows.js"),
  data_steps: () => import("./data/steps.js"),
  figure_box: () => import("./figures/figure.js"),
  form: () => import("./forms/form.js"),
  item_search: () => import("./shelf/search.js"),
  ladder: () => import("./compress/ladder.js"),
  live_run: () => import("./run/live_run.js"),
  merge_builder: () => import("./merge/builder.js"),
  notice_bell: () => import("./notices/bell.js"),
  notes_panel: () => import("./shelf/notes.js"),
  pulse: () => import("./shelf/pulse.js"),
  shelf_table: () => import("./shelf/table.js"),
  token_view: () => import("./data/token_view.js"),
  training_check: () => import("./train/check.js"),
  vote_pad: () => import("./label/vote_pad.js"),
};

holdOpenedTabs(async () => {
  /** @type {(() => Promise<unknown>)[]} */
  const modules = Object.values(COMPONENTS);
  for (const load of modules) await load().catch(() => null); // for the tabs that are not opened yet
});

/**
 * Draws a component into its element; says so there when its module cannot be loaded.
 * @param {keyof typeof COMPONENTS} name
 * @param {import("./lib/component.js").Scope<any, any>} scope
 */
export async function mount(name, scope) {
  /** @type {{ mount: (scope: any) => void }} */
  let component;
  /** @type {() => Promise<{ mount: (scope: any) => void }>} */
  const load = COMPONENTS[name];
  try {
    component = await awaited(load(), scope.element);
  } catch (error) {
    console.error(error);
    scope.element.replaceChildren(emptyState(["This part of the page could not be loaded", "", "Reload the page."]));
    return;
  }
  component.mount({ ...scope, server: awaitedServer(scope) });
}

/**
 * The server's functions; the tab is not shown before they have answered, if it is just being opened. Nobody gets an
 * answer, and draws it, while something is pressed.
 * @param {import("./lib/component.js").Scope<any, any>} scope
 */
function awaitedServer({ element, server }) {
  return new Proxy(server, {
    get: (functions, /** @type {string} */ name) => (/** @type {Record<string, unknown>} */ query) =>
      awaited(functions[name](query), element).then(whenReleased),
  });
}
