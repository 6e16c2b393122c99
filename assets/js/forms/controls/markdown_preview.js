/* How Markdown that is being written will be drawn: as annotators see it, without links, images or raw HTML. */
import { html, useLayoutEffect, useRef } from "../../lib/preact.js";

/**
 * Takes no room while there is no text. `name` is what is written.
 * @param {{ text: string, name: string }} props
 */
export function MarkdownPreview({ text, name }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null)),
    latest = useRef(text);
  latest.current = text;
  useLayoutEffect(() => {
    if (!text.trim()) return;
    // loaded when there is something to draw: few forms have Markdown
    import("../../lib/markdown.js").then(({ markdown }) => {
      if (latest.current === text) box.current?.replaceChildren(markdown(text));
    });
  }, [text]);
  return html`<div class="wb-md-preview" hidden=${!text.trim()}>
    <div class="wb-md-preview-title">Preview</div>
    <div class="wb-vote-guidelines" role="group" aria-label=${`Preview of ${name}`} tabindex="0" ref=${box}></div>
  </div>`;
}
