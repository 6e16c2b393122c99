/* Dark mode: remembers the person's choice, applies it early and keeps it when Gradio sets its own. */
(() => {
  const KEY = "workbench.theme";
  const read = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  /** @param {string} mode */
  const write = (mode) => {
    try {
      localStorage.setItem(KEY, mode);
    } catch {
      /* private window */
    }
  };

  function apply() {
    const wanted = read();
    if (!wanted || !document.body) return;
    const dark = wanted === "dark";
    if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
  }

  function toggle() {
    write(document.body.classList.contains("dark") ? "light" : "dark");
    apply();
  }

  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-wb-theme]")) toggle();
  });
  function start() {
    apply();
    new MutationObserver(apply).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();

/* A page opens at the tab its address names, else at the one that was left. */
(() => {
  const KEY = "workbench.tab";
  const TAB = '#tabs > .tab-wrapper button[role="tab"]';
  document.addEventListener("click", (event) => {
    const tab = event.target instanceof Element && event.target.closest(TAB);
    if (!tab) return;
    try {
      localStorage.setItem(KEY, tab.textContent.trim());
    } catch {
      /* storage is off */
    }
  });
  /** @type {string | null} */
  let wanted = null;
  try {
    wanted = localStorage.getItem(KEY);
  } catch {
    /* storage is off */
  }
  const asked = new URLSearchParams(location.search).get("tab");
  if (!wanted && !asked) return;
  const timer = setInterval(() => {
    /** @type {NodeListOf<HTMLElement>} */
    const tabs = document.querySelectorAll(TAB);
    const tab = [...tabs].find((one) => (asked ? one.dataset.tabId === asked : one.textContent.trim() === wanted));
    if (!tab) return;
    clearInterval(timer);
    if (tab.getAttribute("aria-selected") !== "true") tab.click();
  }, 60);
  setTimeout(() => clearInterval(timer), 8000);
})();

/* What a tab shows is not seen before lib/settling.js holds it: that comes a little later than the first tab. */
(() => {
  const { classList } = document.documentElement;
  classList.add("is-starting");
  setTimeout(() => classList.remove("is-starting"), 10_000); // where it does not come at all
})();
