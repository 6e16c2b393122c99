/* The fields of a spec as components: each control in its frame, those of groups and methods within, advanced ones folded
   away. They hold nothing but what is being typed: settings come in as props, changes go out by `change`. */
import { classes, createElement, html, useId, useRef } from "../lib/preact.js";
import { ChoiceControl, FlagControl, SharesControl, TicksControl } from "./controls/choice.js";
import { LinesControl } from "./controls/lines.js";
import { OneControl, SeveralControl } from "./controls/picker.js";
import { Select } from "./controls/select.js";
import {
  JsonControl,
  NumberControl,
  NumbersControl,
  PairsControl,
  TextControl,
  WeightsControl,
  YamlControl,
} from "./controls/text.js";
import { useTyped } from "./controls/typed.js";
import { FieldFrame, ResetButton } from "./frame.js";
import { defaultWords, groupWords, methodWords } from "./setting_words.js";
import {
  alike,
  applies,
  fitting,
  isAnyChanged,
  isChanged,
  leadsTo,
  methodName,
  methodOf,
  methodSettings,
  settingValue,
  sizeOf,
  usualMethod,
  withSetting,
} from "./settings.js";

/** @import { Content } from "../lib/preact.js" */
/** @import { ControlProps } from "./controls/control.js" */
/** @import { Choice, Field, Lists, Problem, Settings } from "./settings.js" */

/** What was set of methods that are not chosen, by the path of the field and the method. @typedef {Record<string, Record<string, Settings>>} KeptSettings */
/**
 * What fields need to know besides their own. `problems` are shown beside the settings that their paths lead to.
 * @typedef {{ lists: Lists, problems: Problem[], kept: KeptSettings }} FormContext
 */
/** Takes over a setting; `path` leads to the innermost one that was changed. @typedef {(name: string, value: any, path: string[]) => void} Change */
/**
 * Settings and where they stand: `path` leads to what they are settings of.
 * @typedef {{ fields: Field[], values: Settings, change: Change, context: FormContext, path: string[] }} FieldsProps
 */
/** What a control that has fields in it is given besides. @typedef {ControlProps & { path: string[], context: FormContext, put: (value: any, path: string[]) => void }} OuterControlProps */

/** @type {Record<string, (props: OuterControlProps) => Content>} */
const CONTROLS = {
  choice: ChoiceControl,
  data: JsonControl,
  flag: FlagControl,
  group: GroupControl,
  lines: LinesControl,
  method: MethodControl,
  number: NumberControl,
  numbers: NumbersControl,
  one: OneControl,
  pairs: PairsControl,
  several: SeveralControl,
  shares: SharesControl,
  text: TextControl,
  ticks: TicksControl,
  weights: WeightsControl,
  yaml: YamlControl,
};

/**
 * One setting: its control in a frame. What differs from its default is marked, and has a button that resets it.
 * @param {Omit<FieldsProps, "fields"> & { field: Field, isHidden: boolean }} props
 */
export function SettingField({ field, values, change, context, path: outer, isHidden }) {
  const id = useId(),
    resets = useRef(0),
    value = settingValue(field, values),
    path = [...outer, field.name],
    typed = useTyped(value);
  const problems = context.problems.filter((problem) => leadsTo(path, problem.path));
  const own = problems.filter((problem) => problem.path.length === path.length).map(({ text }) => text);
  const problem = own.join(" ") || typed.problem;

  /** @param {any} next @param {string} [text] @param {string} [wrong] */
  function set(next, text, wrong = "") {
    typed.keep(next ?? field.default, text ?? null, wrong);
    const isUsual = next === undefined || (alike(next, field.default) && !field.required);
    change(field.name, isUsual ? undefined : next, [field.name]);
  }

  function reset() {
    resets.current++; // another control: nothing that is typed stays
    change(field.name, keptMethod(field, context.kept[path.join(".")]), [field.name]);
    document.getElementById(id)?.focus();
  }

  const isBad = Boolean(problem);
  const control = createElement(CONTROLS[field.kind], {
    key: resets.current,
    field,
    value,
    text: typed.text,
    set,
    put: (next, inner) => change(field.name, next, [field.name, ...inner]),
    values,
    lists: context.lists,
    path,
    context,
    aria: { id, "aria-describedby": `${id}-help ${id}-wrong`, "aria-invalid": isBad ? "true" : "false" },
    isBad,
  });
  const isGroup = field.kind === "group",
    differs = isChanged(field, values[field.name]);
  const resetButton = createElement(ResetButton, {
    text: isGroup ? "Reset all" : "↺",
    name: `Reset ${field.label} to its default${isGroup ? "s" : `: ${defaultWords(field)}`}`,
    isHidden: !differs,
    reset,
  });
  const frame = { field, id, control, resetButton, problem, isChanged: differs };
  return createElement(FieldFrame, { ...frame, isHidden: isHidden && !problems.length });
}

/**
 * The usual method with what was set of it before another was chosen; undefined where nothing was.
 * @param {Field} field
 * @param {Record<string, Settings> | undefined} kept
 */
function keptMethod(field, kept) {
  if (field.kind !== "method") return undefined;
  const method = usualMethod(field),
    settings = kept?.[method];
  return settings && sizeOf(settings) ? { method, ...settings } : undefined;
}

/**
 * The settings that there are: those of a group in a fold of its name; advanced ones are folded away under `more`, by
 * their groups (those of none first); those without effect are hidden. `fold` remembers whether it is open when all is
 * drawn anew.
 * @param {FieldsProps & { more?: string, fold?: { isOpen: boolean } }} props
 */
export function Fields({ fields, values, change, context, path, more = "More settings", fold }) {
  const ownFold = useRef({ isOpen: false }),
    opened = fold ?? ownFold.current;
  /** @param {Field[]} shown */
  const grid = (shown) => html`<div class="wb-fields">
    ${shown.map((field) => {
      const isHidden = !applies(field, fields, values);
      return createElement(SettingField, { key: field.name, field, values, change, context, path, isHidden });
    })}
  </div>`;
  const advanced = fields.filter((field) => field.advanced),
    usual = fields.filter((field) => !field.advanced);
  const groups = groupsOf(advanced).sort((a, b) => Number(Boolean(a)) - Number(Boolean(b)));
  const changed = advanced.filter((field) => isAnyChanged(field, values[field.name])).length;
  /** @param {{ currentTarget: HTMLDetailsElement }} event */
  const onToggle = ({ currentTarget: details }) => {
    opened.isOpen = details.open;
  };
  return [
    grid(usual.filter((field) => !field.group)),
    ...groupsOf(usual)
      .filter(Boolean)
      .map((title) => {
        const within = usual.filter((field) => field.group === title);
        const isBad = within.some(({ name }) =>
          context.problems.some((problem) => leadsTo([...path, name], problem.path)),
        );
        const words = isBad ? "needs a change" : groupWords(within, fields, values);
        return createElement(GroupFold, { key: title, title, words, isBad, body: grid(within) });
      }),
    advanced.length > 0 &&
      html`<details class="wb-form-more" open=${opened.isOpen} onToggle=${onToggle}>
        <summary>${more + (changed ? ` · ${changed} changed` : "")}</summary>
        ${groups.map((title) => [
          title && html`<div class="wb-field-group">${title}</div>`,
          grid(advanced.filter((field) => field.group === title)),
        ])}
      </details>`,
  ];
}

/** The groups of fields in their order; "" for those of none. @param {Field[]} fields */
const groupsOf = (fields) => [...new Set(fields.map(({ group }) => group))];

/**
 * A group of settings, folded away: closed, it says what is set in it.
 * @param {{ title: string, words: string, isBad: boolean, body: Content }} props
 */
function GroupFold({ title, words, isBad, body }) {
  return html`<details class="wb-form-group">
    <summary><span class="wb-form-group-title">${title}</span>
      <span class=${classes("wb-form-group-words", isBad && "is-bad")}>${words}</span></summary>
    ${body}
  </details>`;
}

/**
 * The settings of a method beneath what `head` holds; a button resets all of them at once. `replace` takes over them all.
 * @param {FieldsProps & { title: string, head: Content, replace: (values: Settings) => void }} props
 */
export function SettingsSection({ title, head, replace, ...props }) {
  const { fields, values } = props;
  const body = useRef(/** @type {HTMLElement | null} */ (null)),
    fold = useRef({ isOpen: false }),
    resets = useRef(0);
  const resettable = fields.filter((field) => !field.required);
  function resetAll() {
    resets.current++;
    const names = resettable.map(({ name }) => name);
    replace(Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name))));
    /** @type {HTMLElement | null | undefined} */ (
      body.current?.querySelector("input, select, textarea, button")
    )?.focus();
  }
  const button = createElement(ResetButton, {
    text: "Reset all",
    name: `Reset all settings of ${title}`,
    isHidden: !resettable.some((field) => isAnyChanged(field, values[field.name])),
    reset: resetAll,
  });
  return html`<div class="wb-field-section">
    <div class="wb-field-line">${head}${button}</div>
    <div class="wb-field-section-body" ref=${body}>${createElement(Fields, { key: resets.current, fold: fold.current, ...props })}</div>
  </div>`;
}

/** @param {OuterControlProps} props */
function GroupControl({ field, values, put, path, context, aria, isBad }) {
  const own = values[field.name] || {};
  /** @type {Change} */
  function change(name, value, inner) {
    const next = withSetting(own, name, value);
    put(sizeOf(next) ? next : undefined, inner);
  }
  return html`<div
    class=${isBad ? "wb-field-section-body is-bad" : "wb-field-section-body"}
    role="group"
    aria-labelledby=${`${aria.id}-label`}
    tabindex="-1"
    ...${aria}
  >
    ${createElement(Fields, { fields: field.fields || [], values: own, change, context, path })}
  </div>`;
}

/**
 * The list of methods, those that work on what is chosen first, and the settings of the one that is.
 * @param {OuterControlProps} props
 */
function MethodControl({ field, values, put, path, context, lists, aria, isBad }) {
  const value = values[field.name],
    own = methodSettings(value),
    name = methodName(field, value),
    method = methodOf(field, value),
    kept = (context.kept[path.join(".")] ||= {}),
    fits = fitting(field, values, lists);
  const methods = field.methods || [];
  const sorted = [...methods.filter((each) => fits(each.method)), ...methods.filter((each) => !fits(each.method))];
  /** @param {string} next */
  function choose(next) {
    kept[name] = own;
    put({ method: next, ...kept[next] }, []);
  }
  /** @param {Settings} settings @param {string[]} inner */
  const putOwn = (settings, inner) => {
    kept[name] = settings;
    put({ method: name, ...settings }, inner);
  };
  return html`<div class="wb-form-method">
    ${createElement(Select, {
      choices: sorted.map((each) => /** @type {Choice} */ ([methodWords(field, each, fits), each.method])),
      value: name,
      pick: choose,
      isBad,
      attributes: aria,
    })}
    <div class="wb-form-methods">
      ${method?.unavailable && html`<div class="wb-note is-warning">${method.unavailable}</div>`}
      ${
        method &&
        createElement(SettingsSection, {
          key: name,
          title: method.title,
          head: html`<div class="wb-hint">${method.summary}</div>`,
          fields: method.fields,
          values: own,
          change: (setting, next, inner) => putOwn(withSetting(own, setting, next), inner),
          replace: (settings) => putOwn(settings, []),
          context,
          path,
        })
      }
    </div>
  </div>`;
}
