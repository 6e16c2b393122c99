/* An ended login, and a page from before: noticed with the first call that is refused for it, whoever made that call, and said at the top of
   the page until somebody has logged in again, in any tab. What is open in the page stays as it is. In a frame of
   another site, whose cookies are its own, the tab hands its login over (assets/js/entry/hub_login.js).

   Every call says for which role the page was made (assets/js/page_role.js): one that is open still when its person has
   got another role must not reach the functions of that role's page. The server says so, and the page with it. */

import { nextOfLogin, rootAddress } from "./address.js";

const LOOK = 5000;
const call = window.fetch.bind(window);
let ended = false,
  outdated = false,
  bar = /** @type {HTMLElement | null} */ (null),
  timer = 0;

window.fetch = async (input, init) => {
  const reply = await call(input, init);
  if (reply.status === 401) end();
  if (reply.status === 409) outdate(reply.clone());
  return reply;
};

/**
 * Say that this page reaches nothing any more, and why.
 * @param {Response} reply
 */
async function outdate(reply) {
  if (outdated) return;
  outdated = true;
  const { error = "" } = await reply.json().catch(() => ({}));
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = "Reload it";
  const box = alertBar();
  const [reason] = String(error).split(". ");
  box.append(`${reason}. `, link, ".");
  document.body.prepend(box);
}

function alertBar() {
  const box = document.createElement("div");
  box.className = "wb-login-ended";
  box.setAttribute("role", "alert");
  return box;
}

function end() {
  if (ended) return;
  ended = true;
  bar ||= build();
  document.body.prepend(bar);
  timer = setInterval(look, LOOK);
}

function build() {
  const box = alertBar(),
    link = document.createElement("a");
  link.href = loginAddress();
  link.addEventListener("click", () => {
    link.href = loginAddress(); // what is shown may have changed since
  });
  link.target = "_blank";
  if (window.top !== window.self) link.rel = "opener"; // that tab must know who waits for it
  link.textContent = "Log in again";
  box.append("Your login has ended. ", link, " in a new tab; what is open here is kept.");
  return box;
}

/** Where to log in again, so that the new tab comes to what is shown here. */
function loginAddress() {
  const next = nextOfLogin(location, rootAddress().pathname);
  return next ? `login?next=${encodeURIComponent(next)}` : "login";
}

/**
 * Take the login that a tab of this server hands over.
 * @param {MessageEvent} event
 */
async function take(event) {
  if (!ended || event.origin !== location.origin || event.data?.type !== "workbench-hub-login") return;
  event.source?.postMessage({ type: "workbench-hub-login-taken" }, { targetOrigin: location.origin });
  const body = new URLSearchParams({ claim: String(event.data.claim) });
  await call("login/claim", { method: "POST", body }).catch(() => null);
  look();
}

window.addEventListener("message", take);

/** Ask whether there is a login again; another tab may have made it. */
async function look() {
  if (!ended || document.hidden) return;
  const reply = await call("gradio_api/login_check").catch(() => null);
  if (!reply?.ok || !ended) return;
  ended = false;
  clearInterval(timer);
  bar?.remove();
  document.dispatchEvent(new Event("wb-login"));
}

document.addEventListener("visibilitychange", look);
window.addEventListener("focus", look);

/** Whether a call that came to nothing may get through later as it is. */
export const isWorthRetrying = () => !ended && !outdated;

/** Why a call came to nothing. */
export const unreachedText = () =>
  ended ? "Your login has ended. Log in again in another tab." : "The server could not be reached.";
