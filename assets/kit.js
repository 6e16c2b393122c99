/* What the live components share. Text reaches the page through textContent or safe markdown only. */
(function () {
  if (window.wbKit) return;

  /** Element with a class and, as plain text, its content. */
  function h(tag, className = "", text = null) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== null && text !== undefined) node.textContent = String(text);
    return node;
  }

  /** Set text only when it differs, so that selections survive polling. */
  function setText(node, text) {
    const next = text === null || text === undefined ? "" : String(text);
    if (node.textContent !== next) node.textContent = next;
  }

  const visible = (element) => !document.hidden && element.offsetParent !== null;

  /**
   * Call `step` for as long as `element` is in the page and can be seen. `step` resolves to the pause in
   * milliseconds before its next call. Returns a function that makes the next call happen now.
   */
  function loop(element, step) {
    let timer = 0, running = false, again = false;
    async function tick() {
      clearTimeout(timer);
      if (!element.isConnected) return stop();
      if (running) { again = true; return; }
      let pause = 400;
      if (visible(element)) {
        running = true;
        try { pause = (await step()) || 1000; } catch (error) { console.error(error); pause = 2000; }
        running = false;
      }
      if (again) { again = false; pause = 0; }
      timer = setTimeout(tick, pause);
    }
    function stop() {
      document.removeEventListener("wb-poke", tick);
      document.removeEventListener("visibilitychange", tick);
    }
    document.addEventListener("wb-poke", tick);
    document.addEventListener("visibilitychange", tick);
    tick();
    return tick;
  }

  const scripts = {};
  /** Load a script once; resolves when it has run. */
  function script(url) {
    scripts[url] ||= new Promise((resolve, reject) => {
      const node = document.createElement("script");
      node.src = url;
      node.onload = resolve;
      node.onerror = () => { delete scripts[url]; reject(new Error("Could not load " + url)); };
      document.head.appendChild(node);
    });
    return scripts[url];
  }

  const texts = {}, functions = {};
  const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

  /** The text of a file, asked for until it comes. */
  async function load(url) {
    for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
      const reply = await fetch(url).catch(() => null);
      if (reply?.ok) return reply.text();
      await pause(wait);
    }
  }

  /** Run the files, joined, as a function of the things in `scope`; each file is loaded, and all compiled, once. */
  async function begin(urls, scope) {
    const key = urls.join(" "), names = Object.keys(scope);
    functions[key] ||= Promise.all(urls.map((url) => (texts[url] ||= load(url))))
      .then((parts) => new Function(...names, `${parts.join("\n")}\n//# sourceURL=${urls.at(-1)}`));
    (await functions[key])(...Object.values(scope));
  }

  const ALLOWED = ["p", "br", "strong", "em", "del", "code", "pre", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5",
    "h6", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "hr"];

  /** Markdown as a fragment without links, images or attributes; plain text if it cannot be parsed. */
  function markdown(text) {
    const source = String(text ?? "");
    if (!window.marked || !window.DOMPurify) return document.createTextNode(source);
    try {
      const html = window.marked.parse(escapeTags(source), { gfm: true, breaks: true, async: false });
      return window.DOMPurify.sanitize(html, {
        ALLOWED_TAGS: ALLOWED, ALLOWED_ATTR: [], ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false,
        KEEP_CONTENT: true, RETURN_DOM_FRAGMENT: true,
      });
    } catch {
      return document.createTextNode(source);
    }
  }

  /** Answers are about text: raw HTML in them is shown as written, except inside code where marked does it. */
  function escapeTags(source) {
    let fenced = false;
    return source.split("\n").map((line) => {
      if (/^\s*(```|~~~)/.test(line)) { fenced = !fenced; return line; }
      if (fenced || /^( {4}|\t)/.test(line)) return line;
      return line.split(/(`+[^`]*`+)/).map((part, i) => (i % 2 ? part : part.replace(/</g, "&lt;"))).join("");
    }).join("\n");
  }

  function chip(status, text) {
    return h("span", "wb-chip is-" + String(status).replace(/[^a-z]/g, ""), text || status);
  }

  function empty(lines) {
    const box = h("div", "wb-empty");
    const [title, sentence, next] = lines || [];
    if (title) box.append(h("div", "wb-empty-title", title));
    if (sentence) box.append(h("div", "wb-empty-text", sentence));
    if (next) box.append(h("div", "wb-empty-next", next));
    return box;
  }

  function duration(seconds) {
    if (seconds === null || seconds === undefined || !isFinite(seconds)) return "";
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min " + String(s % 60).padStart(2, "0") + " s";
    return Math.floor(s / 3600) + " h " + String(Math.floor((s % 3600) / 60)).padStart(2, "0") + " min";
  }

  function number(value) {
    if (value === null || value === undefined || !isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(2).replace("e+", "e");
    if (size >= 1000) return Math.round(value).toLocaleString("en-US");
    if (Number.isInteger(value)) return String(value);
    if (size >= 100) return value.toFixed(1);
    return value.toFixed(size >= 10 ? 2 : 3);
  }

  async function copy(text) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* plain http: the old way below */ }
    const area = h("textarea");
    area.value = text;
    area.style.cssText = "position:fixed;opacity:0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }

  /** Random id, also where `crypto.randomUUID` is missing (plain http on another host). */
  function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  }

  let ids = 0;
  /** An id no other element of the page has. */
  const id = () => `wb-${++ids}`;

  /** Reads and writes localStorage; quietly does nothing where it is forbidden. */
  const store = {
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, value); } catch { /* private window */ } },
  };

  /** Why a call came to nothing. */
  const unreached = () => (window.wbLogin.hasEnded()
    ? "Your login has ended. Log in again in another tab." : "The server could not be reached.");

  window.wbKit = { h, setText, unreached, visible, loop, begin, script, markdown, chip, empty, duration, number,
    copy, uuid, id, store };
})();
