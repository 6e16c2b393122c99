/* Above the answers: who else uses the device, and what can be done about it. */
import { button, h, setText } from "../lib/dom.js";

/** @typedef {{ text: string, can: [how: string, label: string, job: string][] }} Notice */

/**
 * `act` does what a button says and tells what happens next.
 * @param {(how: string, job: string) => Promise<{ text?: string, error?: string } | null>} act
 */
export function deviceNotice(act) {
  const node = h("div", "wb-note is-info wb-device-notice"),
    text = h("span"),
    told = h("span", "wb-hint"),
    actions = h("span", "wb-live-actions");
  let drawn = "";
  node.setAttribute("role", "status");
  node.append(text, told, actions);
  node.hidden = true;

  /**
   * @param {HTMLButtonElement} pressed
   * @param {string} how
   * @param {string} job
   */
  async function press(pressed, how, job) {
    pressed.disabled = true;
    const reply = await act(how, job);
    pressed.disabled = false;
    setText(told, reply?.text ?? reply?.error ?? "The server does not answer. Try again.");
  }

  return {
    node,

    /** @param {Notice | undefined} notice */
    draw(notice) {
      if (!notice) return;
      const state = JSON.stringify(notice);
      if (state === drawn) return;
      drawn = state;
      node.hidden = !notice.text;
      setText(text, notice.text);
      setText(told, "");
      actions.replaceChildren(
        ...notice.can.map(([how, label, job]) => {
          const one = button(`wb-button is-${how}`, label, () => press(one, how, job));
          return one;
        }),
      );
    },
  };
}
