/* Values that are written as text: read from what was typed, and written as it is typed. */

/** @typedef {{ value: any, problem: string }} ReadValue */

/**
 * Lines without the empty ones.
 * @param {string} text
 */
export const readLines = (text) => text.split("\n").filter((line) => line.trim());

/**
 * '1, 2.5' → [1, 2.5]; what is no number stays as it is written, so that it is refused and not dropped.
 * @param {string} text
 * @returns {ReadValue}
 */
export function readNumbers(text) {
  const value = text
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map((word) => (Number.isNaN(Number(word)) ? word : Number(word)));
  const isWrong = value.some((number) => typeof number === "string");
  return { value, problem: isWrong ? "Numbers with commas between them." : "" };
}

/**
 * 'name: value' on each line; as `isNumeric` the values are numbers.
 * @param {string} text
 * @param {boolean} isNumeric
 * @returns {ReadValue}
 */
export function readPairs(text, isNumeric) {
  const lines = readLines(text).map((line) => {
    const colon = line.indexOf(":");
    return colon < 0 ? [line] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  const isWrong = lines.some(([name, written]) => !name || !written || (isNumeric && Number.isNaN(Number(written))));
  const pairs = lines
    .filter(([, written]) => written !== undefined)
    .map(([name, written]) => [name, isNumeric && written ? Number(written) : written]);
  const problem = isWrong ? `On each line a name, a colon and a ${isNumeric ? "number" : "value"}.` : "";
  return { value: Object.fromEntries(pairs), problem };
}

/** @param {Record<string, any> | null | undefined} pairs */
export const writePairs = (pairs) =>
  Object.entries(pairs || {})
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");

/**
 * JSON; text that is none stays text, and empty text leaves the setting to its default.
 * @param {string} text
 * @returns {ReadValue}
 */
export function readJson(text) {
  if (!text.trim()) return { value: undefined, problem: "" };
  try {
    return { value: JSON.parse(text), problem: "" };
  } catch (error) {
    return { value: text, problem: error instanceof Error ? error.message : String(error) };
  }
}
