/* Notices outside the page, by the browser: only when somebody asked for them, and only while the page is not seen. */
import { storage } from "../lib/browser.js";
import { h, nextId, setText } from "../lib/dom.js";

const KEY = "workbench.notify";
const REFUSED = "The browser refuses: allow notifications for this page in its site settings.";
const UNABLE = "This browser shows notifications only for pages on this machine or behind HTTPS.";

const able = () => "Notification" in window && window.isSecureContext;

/** The switch with its words. */
export function outsideSwitch() {
  const node = h("div", "wb-notice-outside"),
    label = h("label"),
    box = Object.assign(h("input"), { type: "checkbox", id: nextId(), checked: isOutsideOn(), disabled: !able() }),
    words = h("small", "wb-hint", able() ? "" : UNABLE);
  words.setAttribute("role", "status");
  box.addEventListener("change", async () => {
    const isAllowed = !box.checked || (await Notification.requestPermission()) === "granted";
    box.checked &&= isAllowed;
    setText(words, isAllowed ? "" : REFUSED);
    storage.set(KEY, box.checked ? "on" : "");
  });
  label.append(box, "Tell me outside the page too");
  node.append(label, words);
  return node;
}

/** Whether the browser shows notices now. */
export const isOutsideOn = () => able() && storage.get(KEY) === "on" && Notification.permission === "granted";

/**
 * @param {import("./unread.js").Notice} notice
 * @param {() => void} open
 */
export function tellOutside({ id, title, text }, open) {
  if (!isOutsideOn()) return;
  const shown = new Notification(title, { body: text, tag: id }); // of several tabs one is seen: they share the tag
  shown.onclick = () => {
    window.focus();
    shown.close();
    open();
  };
}
