/* Dark mode: remembers the person's choice, applies it early and keeps it when Gradio sets its own. */
(function () {
  if (window.wbTheme) return;
  const KEY = "workbench.theme";
  const read = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const write = (mode) => { try { localStorage.setItem(KEY, mode); } catch { /* private window */ } };

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
    if (event.target.closest && event.target.closest("[data-wb-theme]")) toggle();
  });
  function start() {
    apply();
    new MutationObserver(apply).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }
  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
  window.wbTheme = { toggle };
})();
