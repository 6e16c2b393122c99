/* A field as Python describes one, for the tests of forms. */

/** @import { Field, Method } from "../../assets/js/forms/settings.js" */

/**
 * A text of no special kind, but for what is given.
 * @param {Partial<Field>} given
 * @returns {Field}
 */
export const field = (given) => ({
  name: "name",
  label: "Label",
  help: "",
  kind: "text",
  default: null,
  required: false,
  optional: false,
  many: false,
  advanced: false,
  group: "",
  labels: {},
  choices: [],
  low: null,
  high: null,
  above: false,
  below: false,
  whole: false,
  limit: "",
  ...given,
});

/**
 * A method with its fields.
 * @param {string} name
 * @param {Field[]} [fields]
 * @param {Partial<Method>} [given]
 * @returns {Method}
 */
export const method = (name, fields = [], given = {}) => ({
  method: name,
  title: name.toUpperCase(),
  summary: "",
  unavailable: "",
  fields,
  ...given,
});

export const rank = field({ name: "rank", label: "Rank", kind: "number", default: 8, whole: true, low: 1 });
export const tuner = field({
  name: "tuner",
  label: "Tuner",
  kind: "method",
  default: "lora",
  methods: [method("lora", [rank]), method("full")],
});
