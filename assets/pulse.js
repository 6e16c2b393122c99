/* js_on_load of Pulse: asks whether anything on the shelves changed, and only then lets the page be redrawn.
   server.fingerprint({}) gives {mark}; a new one is followed by the event 'submit'. */
const PAUSE = 2000;
let seen = null;

window.wbKit.loop(element, async () => {
  const answer = await server.fingerprint({});
  if (answer?.mark && answer.mark !== seen) {
    seen = window.wbMark = answer.mark; // forms look at their lists when it changes
    trigger("submit");
  }
  return PAUSE;
});
