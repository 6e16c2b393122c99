/* The login with the hub where the page lies in a frame. The hub shows its login in no frame, so the link opens a tab;
   when that tab comes back from the hub it hands the frame a code, which the frame turns into its login. Browsers give
   the code to no page but one of this server: both sides name their own origin. */

const HANDED = "workbench-hub-login",
  TAKEN = "workbench-hub-login-taken";
const link = document.querySelector("#hub-login"),
  code = document.querySelector("#hub-code");

const isFramed = window.top !== window.self;

if (link instanceof HTMLAnchorElement && (isFramed || isOpenedByUs())) {
  const address = new URL(link.href);
  address.searchParams.set("frame", "1");
  link.href = address.href;
}

if (link instanceof HTMLAnchorElement && isFramed) {
  link.target = "_blank";
  link.rel = "opener"; // the tab must know who waits for it
  const claim = link.dataset.claim ?? "";
  addEventListener("message", (event) => {
    if (event.origin !== location.origin || event.data?.type !== HANDED) return;
    event.source?.postMessage({ type: TAKEN }, { targetOrigin: location.origin });
    send(claim, String(event.data.claim));
  });
}

if (code instanceof HTMLInputElement && window.opener) {
  addEventListener("message", (event) => {
    if (event.origin === location.origin && event.data?.type === TAKEN) window.close();
  });
  window.opener.postMessage({ type: HANDED, claim: code.value }, location.origin);
}

/** Whether a page of this server opened this tab and waits for a login, as one does in a frame whose login ended. */
function isOpenedByUs() {
  try {
    return window.opener?.location.origin === location.origin;
  } catch {
    return false; // somebody else's page
  }
}

/**
 * Turn a code into a login: the server answers with the page.
 * @param {string} action @param {string} value
 */
function send(action, value) {
  const form = document.createElement("form"),
    field = document.createElement("input");
  Object.assign(form, { method: "post", action, hidden: true });
  Object.assign(field, { type: "hidden", name: "claim", value });
  form.append(field);
  document.body.append(form);
  form.submit();
}
