import assert from "node:assert/strict";
import test from "node:test";
import { dressed } from "../../assets/js/figures/figure.js";

test("every axis of a figure is dressed, and keeps what is its own", () => {
  const layout = {
    height: 200,
    margin: { t: 60 },
    xaxis2: { title: { text: "dB" }, gridcolor: "red" },
    showlegend: false,
  };
  const dress = dressed(layout);
  assert.deepEqual(
    ["xaxis", "yaxis", "xaxis2"].map((axis) => dress[axis].automargin),
    [true, true, true],
  );
  assert.equal(dress.xaxis2.title.text, "dB");
  assert.equal(dress.xaxis2.gridcolor, dress.yaxis.gridcolor);
  assert.deepEqual(dress.margin, { l: 10, r: 10, t: 60, b: 30 });
  assert.equal(dress.showlegend, false);
  assert.ok(!("title" in dress) && !("title" in dress.yaxis));
});
