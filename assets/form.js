/* js_on_load of a form made of the fields of a spec, after its part `fields`. props: value ({field: what was set}, without
   what is as usual), form ({main, rest, more}). server.lists() gives {list: [[label, value, tag?], …]}.
   Triggers 'input' after every change; a value set from elsewhere is drawn anew. */
const kit = window.wbKit;
const { h, setText } = kit;
const root = element.querySelector(".wb-form");
const all = [...props.form.main, ...props.form.rest];

let settings = clone(props.value || {}), lists = null, mark = null, sent = "", controls = [], open = false;

function clone(value) { return JSON.parse(JSON.stringify(value)); }

function draw() {
  const main = controlsOf(props.form.main), rest = controlsOf(props.form.rest);
  controls = [...main, ...rest];
  root.replaceChildren(grid(main));
  if (!rest.length) return;
  const fold = h("details", "wb-form-more");
  fold.open = open;
  fold.addEventListener("toggle", () => { open = fold.open; });
  fold.append(h("summary", "", props.form.more), grid(rest));
  root.append(fold);
}

function controlsOf(fields) {
  return fields.map((field) => fieldControl(field, settings, () => lists || {}, changed));
}

function changed() {
  suit();
  publish();
  trigger("input");
}

function publish() {
  sent = JSON.stringify(settings);
  props.value = JSON.parse(sent);
}

/** Empty choices that fill themselves, and methods that cannot work on what is chosen; says whether it set anything. */
function suit() {
  let set = false;
  for (const field of all) {
    const first = lists?.[field.list]?.[0];
    if (field.first && !settings[field.name] && first) { settings[field.name] = first[1]; set = true; }
  }
  for (const field of all.filter((one) => one.fits)) {
    const chosen = settings[field.name]?.method ?? usualMethod(field), fits = fitting(field, settings, lists || {});
    const fit = field.methods.filter((one) => !one.unavailable && fits(one.method));
    if (fits(chosen) || !fit.length) continue;
    const usual = usualMethod(field);
    settings[field.name] = { method: fit.some((one) => one.method === usual) ? usual : fit[0].method };
    set = true;
  }
  controls.forEach((one) => one.refresh?.());
  return set;
}

async function refresh() {
  if (window.wbMark === mark && lists) return 400;
  const asked = window.wbMark ?? null, reply = await server.lists({}).catch(() => null);
  if (!reply || reply.error) return 2000;
  mark = asked;
  lists = reply;
  if (suit()) { publish(); trigger("input"); }
  return 400;
}

function begin() {
  settings = clone(props.value || {});
  sent = JSON.stringify(settings);
  draw();
  mark = null; // what was set from elsewhere may be newer than the lists
  poke();
}

draw();
const poke = props.form.lists ? kit.loop(root, refresh) : () => {};
watch("value", () => { if (JSON.stringify(props.value || {}) !== sent) begin(); });
