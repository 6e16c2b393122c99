/* Pulse: asks what changed on the shelves, and only then redraws what shows it.
   server.changes({mark}) gives {mark, parts: {tag: state}, places: {place: tag}}: the states of the page's parts that
   are not as they were at that mark. Triggers 'submit', whose script calls `takeStates` for those states. */
import { poll } from "../lib/polling.js";
import { shelf } from "./mark.js";

const PAUSE = 2000;
/** @type {Map<number, Record<string, unknown> | undefined>} */
const fresh = new Map();
/** @type {Map<number, [label: string, value: unknown][]>} */
const choices = new Map();

/**
 * The new states by place, undefined for what stays; pickers at `firsts` that are empty take their first choice.
 * @param {number} count
 * @param {number[]} firsts
 * @param {unknown[]} chosen
 */
export function takeStates(count, firsts, chosen) {
  const states = Array.from({ length: count }, (_, place) => fresh.get(place));
  fresh.clear();
  firsts.forEach((place, at) => {
    const [first] = choices.get(place) || [];
    if (!chosen[at] && first) states[place] = { ...(states[place] || { __type__: "update" }), value: first[1] };
  });
  return states;
}

/** @param {import("../lib/component.js").Scope} scope */
export function mount({ element, server, trigger }) {
  let seen = "";
  poll(element, async () => {
    const answer = await server.changes({ mark: seen });
    if (answer?.mark && answer.mark !== seen) {
      for (const [place, tag] of Object.entries(answer.places)) {
        const state = answer.parts[tag];
        fresh.set(+place, state);
        if (state?.choices) choices.set(+place, state.choices);
      }
      seen = shelf.mark = answer.mark;
      trigger("submit");
    }
    return PAUSE;
  });
}
