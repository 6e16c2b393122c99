/* What becomes of the columns of a file that is imported: read as a setting of its format, kept or left out. */

/** @import { Field } from "../forms/settings.js" */

/** A setting of a format: a column of the file, or a text or one of a few choices. @typedef {Pick<Field, "name" | "label" | "help" | "default" | "choices" | "labels"> & { kind: "column" | "text" | "list" }} FormatField */
/** @typedef {{ method: string, title: string, kind: string, summary: string, fields: FormatField[] }} Format */
/**
 * What becomes of one column or key of messages.
 * @typedef {{ column: string, use: string, why: string, setting: string, rows: number }} ColumnLine
 */
/** @typedef {Record<string, any>} FormatSettings */
/** @typedef {[label: string, value: string]} RoleChoice */

const ROLES = new Map([
  ["kept", "keep"],
  ["left out", "leave_out"],
]);
const LISTS = ["keep_columns", "leave_out"];

/**
 * What a column is now: '=setting' of the format, or one of 'keep' and 'leave_out', or nothing decided.
 * @param {ColumnLine} line
 */
export const roleOf = (line) => (line.use === "used" ? `=${line.setting}` : (ROLES.get(line.use) ?? ""));

/**
 * The settings with a column read by another setting, kept or left out.
 * @param {Format} format
 * @param {FormatSettings} settings
 * @param {string} column
 * @param {string} role
 */
export function withRole(format, settings, column, role) {
  const changed = { ...settings };
  for (const field of format.fields)
    if (field.kind === "column" && changed[field.name] === column) changed[field.name] = "";
  for (const list of LISTS)
    changed[list] = (changed[list] || []).filter((/** @type {string} */ name) => name !== column);
  if (role.startsWith("=")) changed[role.slice(1)] = column;
  else changed[role === "keep" ? "keep_columns" : "leave_out"].push(column);
  return changed;
}

/**
 * The roles that a column or key can have; null for a key that messages always have, which cannot be given another.
 * @param {Format} format
 * @param {ColumnLine} line
 * @param {string[]} columns
 * @returns {RoleChoice[] | null}
 */
export function rolesOf(format, line, columns) {
  const isColumn = columns.includes(line.column);
  if (!isColumn && line.use === "used") return null;
  const fields = isColumn ? format.fields.filter((field) => field.kind === "column") : [];
  const undecided = line.use === "undecided" ? "decide …" : "rows kept aside";
  return [
    ...(roleOf(line) ? [] : [/** @type {RoleChoice} */ ([undecided, ""])]),
    ...fields.map((field) => /** @type {RoleChoice} */ ([`used: ${field.label.toLowerCase()}`, `=${field.name}`])),
    ["kept as metadata", "keep"],
    ["left out", "leave_out"],
  ];
}

/**
 * How many columns are to be decided on, as a heading.
 * @param {ColumnLine[]} lines
 */
export function accountTitle(lines) {
  const open = lines.filter((line) => line.use === "undecided").length;
  if (!open) return "What becomes of every column";
  return `${open} of ${lines.length} columns need${open === 1 ? "s" : ""} a decision`;
}
