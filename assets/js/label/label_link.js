/* The link for annotators. */
import { rootAddress } from "../lib/address.js";
import { copiedLabel } from "../lib/browser.js";

/**
 * Puts the address at which people judge the answers of a session on the clipboard; what the button says then.
 * @param {string} session
 */
export const labelLinkCopied = (session) =>
  copiedLabel(new URL(`label/${encodeURIComponent(session)}`, rootAddress()).href);
