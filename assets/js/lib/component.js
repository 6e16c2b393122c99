/* What every component of the page is made with: what Gradio hands to a gr.HTML when it is drawn. */

/**
 * `props.value` is the component's value, the other props are what Python gave it; setting a prop tells Python at the
 * next event. `constants` is what Python gave that never changes. `server` has the functions Python offers, which answer
 * {error} when they fail. `trigger` sends an event; `watch` calls back when Python set a prop.
 * @template [Value=any]
 * @template [Props={}]
 * @template [Constants={}]
 * @typedef {{
 *   element: HTMLElement,
 *   props: Props & { value: Value, empty: string[] },
 *   constants: Constants,
 *   server: Record<string, (query: Record<string, unknown>) => Promise<any>>,
 *   trigger: (event: string) => void,
 *   watch: (prop: string, changed: () => void) => void,
 * }} Scope
 */

/**
 * The element of a component's own class, which Gradio has put into its template.
 * @param {HTMLElement} element
 * @param {string} className
 * @returns {HTMLElement}
 */
export function rootOf(element, className) {
  const root = element.querySelector(`.${className}`);
  if (!(root instanceof HTMLElement)) throw new Error(`There is no .${className} to draw into.`);
  return root;
}
