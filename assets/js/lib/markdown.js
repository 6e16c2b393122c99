import { marked } from "../../vendor/marked.esm.js";
import DOMPurify from "../../vendor/purify.es.mjs";

const ALLOWED = [
  "p",
  "br",
  "strong",
  "em",
  "del",
  "code",
  "pre",
  "ul",
  "ol",
  "li",
  "h1",
  "h2",
  "h3",
  "h4",
  "h5",
  "h6",
  "blockquote",
  "table",
  "thead",
  "tbody",
  "tr",
  "th",
  "td",
  "hr",
];

/** Headings of an answer stand under those of the page. @param {{ type: string, depth?: number }} token */
function lowerHeading(token) {
  if (token.type === "heading") token.depth = Math.min(6, (token.depth ?? 1) + 3);
}

/**
 * Markdown as a fragment without links, images or attributes; plain text if it cannot be parsed.
 * @param {unknown} text
 * @returns {Node}
 */
export function markdown(text) {
  const source = String(text ?? "");
  try {
    const html = marked.parse(escapeTags(source), { gfm: true, breaks: true, async: false, walkTokens: lowerHeading });
    return DOMPurify.sanitize(html, {
      ALLOWED_TAGS: ALLOWED,
      ALLOWED_ATTR: [],
      ALLOW_DATA_ATTR: false,
      ALLOW_ARIA_ATTR: false,
      KEEP_CONTENT: true,
      RETURN_DOM_FRAGMENT: true,
    });
  } catch {
    return document.createTextNode(source);
  }
}

/**
 * Answers are about text: raw HTML in them is shown as written, except inside code where marked does it.
 * @param {string} source
 */
export function escapeTags(source) {
  let fenced = false;
  return source
    .split("\n")
    .map((line) => {
      if (/^\s*(```|~~~)/.test(line)) {
        fenced = !fenced;
        return line;
      }
      if (fenced || /^( {4}|\t)/.test(line)) return line;
      return line
        .split(/(`+[^`]*`+)/)
        .map((part, i) => (i % 2 ? part : part.replace(/</g, "&lt;")))
        .join("");
    })
    .join("\n");
}
