/* Part of MergeBuilder: a value that changes over the layers, drawn as a line through points one can move. */

/** @typedef {{ low: number | null, high: number | null }} Bounds */

/**
 * Element of a drawing with its attributes.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} [attributes]
 */
function draw(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}

/** @param {unknown} value */
export const short = (value) => (typeof value === "number" ? String(Math.round(value * 1e6) / 1e6) : String(value));

/**
 * What the axis shows: up to the bounds where they are near each other, else what the values need.
 * @param {number[]} values
 * @param {Bounds} bounds
 * @returns {[low: number, high: number]}
 */
export function axisRange(values, { low, high }) {
  const needed = Math.min(0, ...values);
  if (low === null || high === null || high - low > 4) return [needed, Math.max(1, ...values)];
  return [Math.max(low, needed), high];
}

/**
 * Editor of a gradient: 2 to 9 values at even steps from the first layer to the last, as mergekit reads a list.
 * `show(values, {low, high})` draws; `onChange(values)` tells of every edit.
 * @param {(values: number[]) => void} onChange
 */
export function curveEditor(onChange) {
  const W = 380,
    H = 132,
    LEFT = 40,
    RIGHT = 14,
    TOP = 12,
    BOTTOM = 20,
    MOST = 9;
  const svg = draw("svg", {
    viewBox: `0 0 ${W} ${H}`,
    class: "wb-merge-curve",
    role: "group",
    "aria-label": "Value over the layers",
  });
  const grid = draw("g"),
    line = draw("polyline", { class: "wb-merge-curve-line" }),
    dots = draw("g");
  svg.append(grid, line, dots);
  let values = [0, 1],
    low = 0,
    high = 1,
    bounds = /** @type {Bounds} */ ({ low: null, high: null }),
    dragged = /** @type {number | null} */ (null);
  const circles = /** @type {SVGCircleElement[]} */ ([]);

  /** @param {number} i */
  const x = (i) => LEFT + (i / (values.length - 1)) * (W - LEFT - RIGHT);
  /** @param {number} v */
  const y = (v) => TOP + (1 - (v - low) / (high - low)) * (H - TOP - BOTTOM);
  /** @param {number} v */
  const allowed = (v) => Math.round(Math.min(bounds.high ?? v, Math.max(bounds.low ?? v, v)) * 100) / 100;

  /**
   * Where the pointer is, as [place between the points, value].
   * @param {MouseEvent} event
   * @returns {[place: number, value: number]}
   */
  function at(event) {
    const box = svg.getBoundingClientRect();
    const px = ((event.clientX - box.left) / box.width) * W,
      py = ((event.clientY - box.top) / box.height) * H;
    const share = Math.min(1, Math.max(0, 1 - (py - TOP) / (H - TOP - BOTTOM)));
    return [((px - LEFT) / (W - LEFT - RIGHT)) * (values.length - 1), low + share * (high - low)];
  }

  /** The axis of the values, and where the layers are. */
  function scale() {
    [low, high] = axisRange(values, bounds);
    grid.replaceChildren();
    for (const value of [low, (low + high) / 2, high]) {
      grid.append(draw("line", { x1: LEFT, x2: W - RIGHT, y1: y(value), y2: y(value) }));
      grid.append(label(LEFT - 11, y(value) + 3, short(value), "end"));
    }
    const ends = [
      ["start", "first layer"],
      ["middle", "50 %"],
      ["end", "last layer"],
    ];
    ends.forEach(([anchor, text], i) => {
      grid.append(label(LEFT + (i / 2) * (W - LEFT - RIGHT), H - 4, text, anchor));
    });
  }

  /**
   * @param {number} px
   * @param {number} py
   * @param {string} text
   * @param {string} anchor
   */
  function label(px, py, text, anchor) {
    const node = draw("text", { x: px, y: py, "text-anchor": anchor });
    node.textContent = text;
    return node;
  }

  function dot() {
    const node = draw("circle", { r: 6, tabindex: 0, role: "slider" });
    const index = () => circles.indexOf(node);
    node.addEventListener("pointerdown", (event) => {
      dragged = index();
      node.setPointerCapture(event.pointerId);
      node.focus();
      event.preventDefault();
    });
    node.addEventListener("pointermove", (event) => {
      if (dragged !== null) set(dragged, at(event)[1]);
    });
    node.addEventListener("pointerup", () => {
      dragged = null;
    });
    node.addEventListener("dblclick", () => remove(index()));
    node.addEventListener("keydown", (event) => onKey(event, index()));
    return node;
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} i
   */
  function onKey(event, i) {
    const step = (event.shiftKey ? 0.1 : 0.01) * (high - low);
    /** @type {Record<string, () => void>} */
    const acts = {
      ArrowUp: () => set(i, values[i] + step),
      ArrowDown: () => set(i, values[i] - step),
      ArrowLeft: () => circles[i - 1]?.focus(),
      ArrowRight: () => circles[i + 1]?.focus(),
      Delete: () => remove(i),
      Backspace: () => remove(i),
      Enter: () => insert(i + 0.5, values[i]),
      "+": () => insert(i + 0.5, values[i]),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /**
   * @param {number} i
   * @param {number} value
   */
  function set(i, value) {
    values[i] = allowed(value);
    refresh();
    onChange([...values]);
  }

  /**
   * @param {number} place between the points
   * @param {number} value
   */
  function insert(place, value) {
    if (values.length >= MOST) return;
    const i = Math.max(0, Math.min(values.length, Math.ceil(place)));
    values.splice(i, 0, allowed(value));
    refresh();
    circles[i].focus();
    onChange([...values]);
  }

  /** @param {number} i */
  function remove(i) {
    if (values.length <= 2) return;
    values.splice(i, 1);
    refresh();
    circles[Math.max(0, i - 1)].focus();
    onChange([...values]);
  }

  function refresh() {
    for (const extra of circles.splice(values.length)) extra.remove();
    while (circles.length < values.length) circles.push(dot());
    dots.append(...circles.slice(dots.childElementCount));
    line.setAttribute("points", values.map((v, i) => `${x(i)},${y(v)}`).join(" "));
    values.forEach((value, i) => {
      const place = `${Math.round((100 * i) / (values.length - 1))} % of the layers`;
      const state = {
        cx: x(i),
        cy: y(value),
        "aria-label": place,
        "aria-valuenow": value,
        "aria-valuemin": low,
        "aria-valuemax": high,
      };
      for (const [name, set] of Object.entries(state)) circles[i].setAttribute(name, String(set));
    });
  }

  svg.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("circle")) return;
    insert(...at(event));
  });

  /**
   * @param {number[]} next
   * @param {Bounds} limits
   */
  function show(next, limits) {
    values = next.slice(0, MOST).map(Number);
    bounds = limits;
    if (dragged === null) scale();
    refresh();
  }

  return { node: svg, show };
}
