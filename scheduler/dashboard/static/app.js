"use strict";
// Pages are complete without this: it only keeps them fresh, and never touches what somebody is typing into.
const live = () => document.querySelectorAll("[data-live]");
const state = document.querySelector("#stream");
let due = 0, asking = false, last = 0;

async function refresh() {
  if (asking || document.hidden) { due = 1; return; }
  asking = true; due = 0; last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, credentials: "same-origin" });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.reload(); return; }
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of live()) {
        const now = page.getElementById(old.id);
        if (now && now.innerHTML !== old.innerHTML && !old.contains(document.activeElement)) old.replaceChildren(...now.childNodes);
      }
    }
  } catch { /* the stream says that nobody answers */ } finally { asking = false; }
}

function say(words, kind) { if (state) { state.textContent = words; state.dataset.kind = kind; } }

if (live().length && state) {
  const stream = new EventSource("/api/v1/turns/stream");
  stream.addEventListener("turn", () => { due = 1; });
  stream.addEventListener("open", () => say("live", "on"));
  stream.addEventListener("error", () => say("reconnecting", "off"));
  const pace = document.querySelector("[data-fast]") ? 700 : 2000;
  setInterval(() => { if ((due || document.querySelector("[data-fast]")) && Date.now() - last >= pace) refresh(); }, 250);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && due) refresh(); });
  addEventListener("pagehide", () => stream.close());
}

const menu = document.querySelector("#menu");
menu?.addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  menu.setAttribute("aria-expanded", String(open));
});

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); });
}

for (const scrub of document.querySelectorAll("[data-scrub]")) scrub.addEventListener("change", () => scrub.form.requestSubmit());

if (document.querySelector("[data-again]")) setTimeout(() => location.reload(), 2000);
