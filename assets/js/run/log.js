/* The log of a run, which follows its end as long as nobody scrolls away from it. */
import { h, setText } from "../lib/dom.js";

const MOST_CHARACTERS = 400_000;

export function runLog() {
  const node = h("details", "wb-log"),
    summary = h("summary", "", "Log"),
    size = h("span", "wb-hint"),
    text = h("pre");
  let follows = true,
    length = 0;
  text.tabIndex = 0;
  summary.append(size);
  node.append(summary, text);
  text.addEventListener("scroll", () => {
    follows = text.scrollHeight - text.scrollTop - text.clientHeight < 24;
  });
  node.addEventListener("toggle", follow);

  function follow() {
    if (follows) text.scrollTop = text.scrollHeight;
  }

  const log = {
    node,
    /** How far into the log what was added reaches, for the server. */
    offset: 0,

    /**
     * Adds what is new; of a very long log only the end stays.
     * @param {string} added
     * @param {number | undefined} offset
     */
    add(added, offset) {
      log.offset = offset ?? log.offset;
      if (added) {
        text.append(document.createTextNode(added));
        length += added.length;
        while (length > MOST_CHARACTERS && text.childNodes.length > 1 && text.firstChild) {
          length -= text.firstChild.textContent?.length ?? 0;
          text.firstChild.remove();
        }
        setText(size, `${Math.max(1, Math.round(log.offset / 1024))} KB`);
        follow();
      }
      node.hidden = !text.firstChild;
    },

    clear() {
      text.replaceChildren();
      [log.offset, length, follows] = [0, 0, true];
      node.hidden = true;
    },
  };
  return log;
}
