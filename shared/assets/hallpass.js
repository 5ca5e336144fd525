// Hallpass pages work without this script; it only adds comfort.
"use strict";
(() => {
  const all = (selector, f) => document.querySelectorAll(selector).forEach(f);
  const byId = (id) => document.getElementById(id);
  const lang = document.documentElement.lang;

  // Show or hide the password.
  const hiders = [];
  all("[data-reveal]", (button) => {
    const input = byId(button.dataset.reveal);
    const show = [button.textContent, button.getAttribute("aria-label")];
    const hide = [button.dataset.hide, button.dataset.hideLabel];
    const set = (visible) => {
      const [text, label] = visible ? hide : show;
      input.type = visible ? "text" : "password";
      button.textContent = text;
      button.setAttribute("aria-label", label);
    };
    button.addEventListener("click", () => set(input.type === "password"));
    hiders.push(() => set(false));
    button.hidden = false;
  });

  // Say that Caps Lock is on.
  all("[data-caps]", (input) => {
    const hint = byId(input.dataset.caps);
    const check = (event) => {
      if (!event.getModifierState) return;
      const text = event.getModifierState("CapsLock") ? hint.dataset.text : "";
      if (hint.textContent !== text) hint.textContent = text;
    };
    for (const type of ["keydown", "keyup", "mousedown"]) input.addEventListener(type, check);
    input.addEventListener("blur", () => { hint.textContent = ""; });
  });

  // Say that a form is on its way, and send it once only.
  all("form[data-busy]", (form) => {
    const button = form.querySelector("[type=submit]");
    const text = button.textContent;
    form.action += location.hash; // redirects keep it
    let timer = 0;
    const reset = () => {
      clearTimeout(timer);
      timer = 0;
      button.textContent = text;
      button.removeAttribute("aria-disabled");
    };
    form.addEventListener("submit", (event) => {
      if (timer) return event.preventDefault();
      hiders.forEach((hide) => hide());
      button.textContent = form.dataset.busy;
      button.setAttribute("aria-disabled", "true");
      timer = setTimeout(reset, 20000);
    });
    addEventListener("pageshow", reset);
  });

  // Copy an id.
  all("[data-copy]", (button) => {
    if (!navigator.clipboard) return;
    const text = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(byId(button.dataset.copy).textContent);
        button.textContent = button.dataset.copied;
        setTimeout(() => { button.textContent = text; }, 2500);
      } catch {
        getSelection().selectAllChildren(byId(button.dataset.copy));
      }
    });
  });

  // Watch the session live.
  all("[data-session]", (box) => {
    const data = box.dataset;
    const find = (name) => box.querySelector(`[data-${name}]`);
    const bar = box.querySelector("progress");
    const token = find("token"), left = find("left"), flash = find("flash");
    const ends = find("ends"), status = find("status");
    let access = Number(data.access) || 0;
    let expires = Number(data.expires) || 0;
    let life = 0;     // the most seconds the access token was seen to have left
    let skew = 0;     // the server's clock minus ours, in seconds
    let over = false, asking = false;

    const now = () => Date.now() / 1000 + skew;
    const say = (text) => { if (status.textContent !== text) status.textContent = text; };
    const unit = (n, name) =>
      new Intl.NumberFormat(lang, { style: "unit", unit: name, unitDisplay: "short" }).format(n);
    const span = (seconds) => {
      const parts = [];
      for (const [name, size] of [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]) {
        const n = Math.floor(seconds / size);
        seconds -= n * size;
        if (n || parts.length) parts.push(unit(n, name));
      }
      return parts.slice(0, 2).join(" ") || unit(0, "second");
    };
    // Times come as Unix seconds or milliseconds, or as ISO text.
    const seconds = (value) => {
      const n = typeof value === "string" && isNaN(value) ? Date.parse(value) : Number(value);
      return n > 1e11 ? n / 1000 : n || 0;
    };
    const end = () => {
      over = true;
      token.hidden = true;
      say(data.ended);
    };
    const tick = () => {
      if (over) return;
      token.hidden = !access;
      if (access) {
        const rest = Math.max(0, access - now());
        life = Math.max(life, rest);
        left.textContent = rest ? span(rest) : data.expired;
        bar.max = life || 1;
        bar.value = rest;
      }
      if (expires) {
        const at = new Date(expires * 1000);
        const text = at.toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" });
        ends.dateTime = at.toISOString();
        ends.textContent = `${text} (${span(Math.max(0, expires - now()))})`;
        if (expires < now()) end();
      }
    };
    const poll = async () => {
      if (over || asking || document.hidden || !box.open) return;
      asking = true;
      try {
        const answer = await fetch(data.session, { cache: "no-store", redirect: "manual" });
        if (answer.status === 401 || answer.type === "opaqueredirect") return end();
        if (!answer.ok) throw answer.status;
        const session = await answer.json();
        if (!session || !Object.keys(session).length) return end();
        const date = Date.parse(answer.headers.get("date"));
        if (Math.abs(date - Date.now()) > 2000) skew = (date - Date.now()) / 1000;
        const moved = seconds(session.accessExpires);
        if (access && moved > access) {
          life = 0;
          flash.textContent = data.refreshed;
          flash.classList.add("on");
          setTimeout(() => { flash.classList.remove("on"); }, 2500);
          setTimeout(() => { flash.textContent = ""; }, 3500);
        }
        access = moved;
        expires = seconds(session.expires) || expires;
        say("");
        tick();
      } catch {
        say(data.offline);
      } finally {
        asking = false;
      }
    };
    tick();
    setInterval(tick, 1000);
    setInterval(poll, 2000);
    poll();
  });
})();
