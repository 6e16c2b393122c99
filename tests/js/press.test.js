import assert from "node:assert/strict";
import test from "node:test";
import { followPresses, whenReleased } from "../../assets/js/lib/press.js";

const page = new EventTarget(),
  window = new EventTarget();
followPresses(/** @type {any} */ (page), /** @type {any} */ (window));

/** @param {EventTarget} where @param {string} name @param {object} [more] */
const fire = (where, name, more) => where.dispatchEvent(Object.assign(new Event(name), more));
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

for (const [begin, more, where, end] of /** @type {const} */ ([
  ["pointerdown", { button: 0 }, page, "pointerup"],
  ["pointerdown", { button: 0 }, page, "contextmenu"],
  ["pointerdown", { button: 0 }, window, "blur"],
  ["keydown", { key: " " }, page, "keyup"],
]))
  test(`an answer between ${begin} and ${end} waits for what follows the release`, async () => {
    const order = ["pressed"];
    fire(page, begin, more);
    const answer = whenReleased("answer").then((value) => order.push(value));
    fire(page, begin, more);
    await soon();
    order.push("released");
    fire(where, end);
    order.push("clicked");
    await answer;
    assert.deepEqual(order, ["pressed", "released", "clicked", "answer"]);
  });

test("nothing waits for the right button or another key", async () => {
  fire(page, "pointerdown", { button: 2 });
  fire(page, "keydown", { key: "a" });
  assert.equal(await whenReleased(7), 7);
});
