/* What lies in assets/vendor is what the packages named here brought, whose digests the lockfile holds. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const FILES = {
  "marked.esm.js": "marked/lib/marked.esm.js",
  "marked-LICENSE.txt": "marked/LICENSE",
  "plotly-cartesian.min.js": "plotly.js-cartesian-dist-min/plotly-cartesian.min.js",
  "plotly-LICENSE.txt": "plotly.js-cartesian-dist-min/LICENSE",
  "htm-preact-standalone.module.js": "htm/preact/standalone.module.js",
  "htm-LICENSE.txt": "htm/LICENSE",
  "preact-LICENSE.txt": "preact/LICENSE",
  "purify.es.mjs": "dompurify/dist/purify.es.mjs",
  "dompurify-LICENSE.txt": "dompurify/LICENSE",
};

for (const [name, source] of Object.entries(FILES)) {
  test(`${name} is as it was published`, () => {
    const vendored = readFileSync(new URL(`../../assets/vendor/${name}`, import.meta.url));
    assert.deepEqual(vendored, readFileSync(new URL(`node_modules/${source}`, import.meta.url)));
  });
}
