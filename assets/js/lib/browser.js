/* What browsers do in more than one way, or not everywhere. */
import { h } from "./dom.js";

/**
 * Puts a text on the clipboard; resolves to whether it is there.
 * @param {string} text
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    /* plain http: the old way below */
  }
  const area = h("textarea");
  area.value = text;
  area.style.cssText = "position:fixed;opacity:0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/**
 * Puts a text on the clipboard; resolves to what its button says then.
 * @param {string} text
 */
export async function copiedLabel(text) {
  return (await copyText(text)) ? "Copied" : "Could not copy";
}

/** Random id, also where `crypto.randomUUID` is missing (plain http on another host). */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/**
 * Makes a call whose request outlives its page; Gradio's client cannot ask for one.
 * @param {() => unknown} call
 */
export function outliving(call) {
  const plain = window.fetch;
  window.fetch = (url, options) => plain(url, { ...options, keepalive: true });
  try {
    call();
  } finally {
    window.fetch = plain;
  }
}

/** Reads and writes localStorage; quietly does nothing where it is forbidden. */
export const storage = {
  /** @param {string} key */
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  /**
   * @param {string} key
   * @param {string} value
   */
  set(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      /* private window */
    }
  },
};
