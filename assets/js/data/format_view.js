/* What is drawn of a format: which it is, what becomes of every column, and its settings. */
import { Select } from "../forms/controls/select.js";
import { useTyped } from "../forms/controls/typed.js";
import { createElement, html, useRef } from "../lib/preact.js";
import { accountTitle, roleOf, rolesOf, withRole } from "./column_roles.js";

/** @import { Choice } from "../forms/settings.js" */
/** @import { Content } from "../lib/preact.js" */
/** @import { ColumnLine, Format, FormatField, FormatSettings } from "./column_roles.js" */

/**
 * @typedef {{
 *   method?: string, settings?: FormatSettings | null, columns?: string[], detected?: boolean, account?: ColumnLine[],
 *   turn?: number, hidden?: boolean,
 * }} FormatValue
 */
/** @typedef {{ formats: Format[], value: FormatValue, change: (news: Partial<FormatValue>) => void }} FormatProps */
/** @typedef {FormatProps & { format: Format, settings: FormatSettings }} ChosenProps */

/** @param {FormatProps} props */
export function FormatView(props) {
  const { formats, value, change } = props;
  const format = formats.find(({ method }) => method === value.method);
  const choices = formats.map(({ method, title, kind }) => /** @type {Choice} */ ([`${title} → ${kind}`, method]));
  return html`<div class="wb-builder-body wb-df">
    <label class="wb-labelled">
      <span>Format</span>
      ${createElement(Select, {
        choices: [["Detect", ""], ...choices],
        value: value.method || "",
        pick: (method) => change({ method, settings: null }),
        attributes: { "aria-label": "Format" },
      })}
    </label>
    <div class="wb-hint">${format?.summary}</div>
    <div class="wb-df-fields">
      ${format && value.settings && createElement(Chosen, { ...props, format, settings: value.settings })}
    </div>
  </div>`;
}

/** @param {ChosenProps} props */
function Chosen(props) {
  const { format, value } = props;
  /** @param {FormatField["kind"]} kind */
  const fields = (kind) => format.fields.filter((field) => field.kind === kind);
  const isByHand = !value.account?.length || !value.detected;
  return [
    createElement(Account, props),
    createElement(Fold, { title: "Columns of the format", fields: fields("column"), isOpen: isByHand, props }),
    createElement(Fold, { title: "Keys, roles and more", fields: fields("text"), isOpen: false, props }),
  ];
}

/**
 * Every column and every key of a message, with what becomes of it and why.
 * @param {ChosenProps} props
 */
function Account({ format, settings, value, change }) {
  const lines = value.account || [],
    title = accountTitle(lines);
  if (!lines.length) return null;
  const isOpen = lines.some((line) => line.use === "undecided");
  return [
    html`<h3 class=${isOpen ? "wb-h wb-df-open" : "wb-h"}>${title}</h3>`,
    html`<ul class="wb-df-account" aria-label=${title}>
      ${lines.map((line) => {
        const rows = line.rows.toLocaleString("en-US"),
          roles = rolesOf(format, line, value.columns || []);
        return html`<li key=${line.column} class=${line.use === "undecided" && "is-undecided"} data-column=${line.column}>
          <b>${line.column}</b>
          ${
            roles
              ? createElement(Select, {
                  choices: roles,
                  value: roleOf(line),
                  pick: (role) => role && change({ settings: withRole(format, settings, line.column, role) }),
                  attributes: { "aria-label": `What becomes of ${line.column}` },
                })
              : html`<span>${`used: ${line.setting.replaceAll("_", " ")}`}</span>`
          }
          <small>${`${rows} row${line.rows === 1 ? "" : "s"} · ${line.why}`}</small>
        </li>`;
      })}
    </ul>`,
  ];
}

/**
 * Settings that can be folded away; what was opened stays open.
 * @param {{ title: string, fields: FormatField[], isOpen: boolean, props: ChosenProps }} section
 */
function Fold({ title, fields, isOpen, props }) {
  const wasOpen = useRef(false);
  if (!fields.length) return null;
  /** @param {{ currentTarget: HTMLDetailsElement }} event */
  const onToggle = ({ currentTarget: details }) => {
    wasOpen.current = details.open;
  };
  return html`<details class="wb-folded" open=${isOpen || wasOpen.current} onToggle=${onToggle}>
    <summary>${title}</summary>
    <div class="wb-df-grid">
      ${fields.map((field) => createElement(FormatSetting, { key: field.name, field, ...props }))}
    </div>
  </details>`;
}

/** @param {ChosenProps & { field: FormatField }} props */
function FormatSetting({ field, settings, value, change }) {
  const current = settings[field.name] ?? field.default;
  /** @param {unknown} next */
  const set = (next) => change({ settings: { ...settings, [field.name]: next } });
  const control = { field, current, columns: value.columns ?? [], set };
  const kind = field.choices.length ? ChoiceSetting : field.kind === "column" ? ColumnSetting : TextSetting;
  return html`<label class="wb-labelled" title=${field.help}>
    <span>${field.label}</span>${createElement(/** @type {(props: SettingProps) => Content} */ (kind), control)}
  </label>`;
}

/** @typedef {{ field: FormatField, current: any, columns: string[], set: (value: unknown) => void }} SettingProps */

/** @param {SettingProps} props */
function ColumnSetting({ field, current, columns, set }) {
  const missing = current && !columns.includes(current) ? [current] : [];
  const choices = /** @type {Choice[]} */ ([
    ["–", ""],
    ...columns.map((name) => [name, name]),
    ...missing.map((name) => [`${name} (not there)`, name]),
  ]);
  return createElement(Select, { choices, value: current || "", pick: set, attributes: { "aria-label": field.label } });
}

/** @param {SettingProps} props */
function ChoiceSetting({ field, current, set }) {
  /** @param {any} choice */
  const text = (choice) => field.labels[choice] ?? (choice === true ? "yes" : choice === false ? "no" : String(choice));
  return createElement(Select, {
    choices: field.choices.map((choice) => /** @type {Choice} */ ([text(choice), String(choice)])),
    value: String(current),
    pick: (name) => set(field.choices.find((choice) => String(choice) === name)),
    attributes: { "aria-label": field.label },
  });
}

/**
 * A text that is taken over when it is left; what is being typed stays when an answer arrives.
 * @param {SettingProps} props
 */
function TextSetting({ field, current, set }) {
  const typed = useTyped(current);
  return html`<input
    type="text"
    class="wb-input"
    aria-label=${field.label}
    value=${typed.text ?? current ?? ""}
    onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget: input }) => typed.keep(current, input.value, "")}
    onChange=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget: input }) => set(input.value)}
  />`;
}
