import assert from "node:assert/strict";
import test from "node:test";
import { nextOfLogin, placeOf, queryOf } from "../../assets/js/lib/address.js";

test("every name comes back from its address", () => {
  for (const name of ["talks", "Ä & ö", "a=b#c?d", "<b>x</b>", "100 %", "+1"]) {
    const place = { tab: "data", section: "clean", kind: "dataset", name };
    assert.deepEqual(placeOf(queryOf(place)), place);
  }
});

test("a thing leads to the tab that shows it, and a tab takes only its own", () => {
  assert.deepEqual(placeOf("?model=m"), { tab: "models", section: "", kind: "model", name: "m" });
  assert.equal(placeOf("?tab=data&model=m").name, "");
  assert.deepEqual(placeOf(""), { tab: "", section: "", kind: "", name: "" });
  assert.equal(placeOf("?tab=constructor&model=m").kind, "");
});

test("what a query says of other things is kept", () => {
  const place = { tab: "jobs", section: "", kind: "job", name: "1" };
  assert.equal(queryOf(place, "?__theme=dark&tab=data&dataset=x&section=clean"), "?__theme=dark&tab=jobs&job=1");
  assert.equal(queryOf({ ...place, tab: "", name: "" }, "?tab=data"), "");
});

test("a login comes back to the page, or to the session's page, that it was asked from", () => {
  const next = (/** @type {string} */ pathname, search = "") => nextOfLogin({ pathname, search }, "/app/");
  assert.equal(next("/app/", "?tab=data&dataset=talks"), "tab=data&dataset=talks");
  assert.equal(next("/app/"), "");
  assert.equal(next("/app/label"), "tab=label");
  assert.equal(next("/app/label/na%20me%26x%3D1%23"), "tab=label&session=na+me%26x%3D1%23");
  assert.equal(next("/app/results/100%"), "tab=results&session=100%25");
});
