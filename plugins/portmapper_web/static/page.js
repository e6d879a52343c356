// Keeps the page current, and asks and acts without leaving it. Everything also works without this script.
"use strict";

const QUIET = 300; // milliseconds without an event before the page is read again
const PAUSE = 1000; // least milliseconds between two readings
const SHARE = 5; // a reading that takes long is followed by a pause of this many times its duration
const CHECK = 5000; // milliseconds after which a visible page is read again without an event: lists have none
const LIMIT = 15000; // milliseconds for an answer
const LONGEST_RETRY = 10000;

const one = (selector, root = document) => root.querySelector(selector);
const known = new Map(); // the markup of each live part, as the daemon sent it
let events = null;
let goneSince = null;
let failures = 0;
let reading = null;
let timer = 0;
let lastRead = 0;
let lastTook = 0; // milliseconds of the last reading
let clockAhead = 0; // milliseconds that the clock of the daemon is ahead of ours

document.documentElement.classList.add("js");

function isPorts() {
  return one("#summary") !== null;
}

async function get(path, options = {}) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(LIMIT), headers: { Accept: "text/html" }, ...options });
  if (answer.redirected && new URL(answer.url).pathname === "/login") {
    location.assign("/login?next=/");
    throw new Error("the session ended");
  }
  return { ok: answer.ok, url: answer.url, page: new DOMParser().parseFromString(await answer.text(), "text/html") };
}

// Reading

function readSoon(pause = QUIET) {
  if (timer) return;
  timer = setTimeout(read, Math.max(pause, lastRead + Math.max(PAUSE, SHARE * lastTook) - Date.now()));
}

async function read() {
  clearTimeout(timer);
  timer = 0;
  if (reading) return;
  if (holdsSelection()) {
    readSoon(PAUSE);
    return;
  }
  lastRead = Date.now();
  const asked = location.search;
  reading = get("/live" + asked);
  try {
    const { ok, page } = await reading;
    if (!ok) throw new Error("the daemon cannot answer");
    if (asked === location.search) show(page);
    isHere();
  } catch {
    isGone();
  } finally {
    reading = null;
    lastTook = Date.now() - lastRead;
    if (asked !== location.search) readSoon(0);
  }
}

function holdsSelection() {
  const selection = getSelection();
  const node = selection.anchorNode;
  return !selection.isCollapsed && node !== null && (node.parentElement?.closest("[data-live]") ?? null) !== null;
}

function show(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = page.getElementById(part.id);
    if (next === null || known.get(part.id) === next.outerHTML) continue;
    known.set(part.id, next.outerHTML);
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceWith(document.adoptNode(next));
    if (focused) (document.getElementById(focused) ?? next).focus({ preventScroll: true });
  }
  const summary = one("#summary");
  document.title = summary.dataset.title;
  clockAhead = Date.parse(summary.dataset.now) - Date.now();
  if (one("[data-poll]")) readSoon(PAUSE);
}

// Events and the connection

function follow() {
  if (events !== null || document.hidden) return;
  const stream = new EventSource("/v1/events");
  events = stream;
  stream.onopen = () => {
    failures = 0;
    readSoon(0);
  };
  stream.onmessage = () => readSoon();
  stream.onerror = () => {
    if (events === stream) leave();
    setTimeout(follow, Math.min(1000 * 2 ** failures++, LONGEST_RETRY));
    read();
  };
}

// A browser has six connections to one host for all its tabs, so a hidden tab uses none.
function leave() {
  events?.close();
  events = null;
}

function isGone() {
  goneSince ??= new Date();
  const since = goneSince.toLocaleTimeString();
  const text = `The daemon has not answered since ${since}. What you see may be out of date. Trying again…`;
  if (one("#connection").textContent !== text) one("#connection").textContent = text;
  document.documentElement.classList.add("gone");
  readSoon(2 * PAUSE);
}

function isHere() {
  goneSince = null;
  one("#connection").textContent = "";
  document.documentElement.classList.remove("gone");
}

function tick() {
  for (const rest of document.querySelectorAll("[data-until]")) {
    const { until, before, after } = rest.dataset;
    const seconds = Math.floor((Date.parse(until) - Date.now() - clockAhead) / 1000);
    const text = seconds > 0 ? before + duration(seconds) + after : "now";
    if (rest.textContent === text) continue;
    rest.textContent = text;
    const meter = rest.previousElementSibling;
    if (meter !== null) meter.value = Math.max(Math.min(seconds, meter.max), 0);
  }
}

function duration(left) {
  const [days, hours, minutes] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60];
  if (days) return `${days}d ${hours}h`;
  if (hours) return `${hours}h ${minutes}m`;
  return minutes ? `${minutes}m ${left % 60}s` : `${left}s`;
}

// Questions and actions

async function ask(form) {
  const { ok, page } = await get(`${new URL(form.action).pathname}?${new URLSearchParams(new FormData(form))}`);
  const question = page.getElementById("question");
  if (!ok || question === null) {
    tell(page);
    return;
  }
  const dialog = one("#dialog");
  dialog.replaceChildren(document.adoptNode(question));
  dialog.showModal();
}

async function act(form) {
  const button = one("button", form);
  button.disabled = true;
  form.setAttribute("aria-busy", "true");
  try {
    const body = new URLSearchParams(new FormData(form));
    const { ok, page } = await get(new URL(form.action).pathname, { method: "POST", body });
    one("#dialog").close();
    tell(page);
    if (!ok) return;
    if (new URL(form.action).pathname === "/do/open") one("#open-form").reset();
    readSoon(0);
  } finally {
    button.disabled = false;
    form.removeAttribute("aria-busy");
  }
}

function tell(page) {
  const result = page.getElementById("result");
  if (result !== null) {
    one("#result").replaceWith(document.adoptNode(result));
    return;
  }
  const text = [...page.querySelectorAll("main h1, main p:not(:has(a))")].map((part) => part.textContent).join(". ");
  tellError(text || "The daemon gave no answer.");
}

function tellError(text) {
  const [line, dismiss] = [document.createElement("p"), document.createElement("a")];
  line.textContent = text;
  Object.assign(dismiss, { href: "/", className: "button", textContent: "Dismiss" });
  dismiss.dataset.dismiss = "";
  one("#result").className = "error";
  one("#result").replaceChildren(line, dismiss);
}

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Over HTTP from another host, browsers have no clipboard for pages: use the selection instead.
    const field = document.createElement("textarea");
    field.value = text;
    button.after(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

function choose() {
  const chosen = new URLSearchParams(new FormData(one("#filter")));
  if (!chosen.get("q")) chosen.delete("q");
  if (chosen.get("show") === "all") chosen.delete("show");
  history.replaceState(null, "", chosen.size ? `/?${chosen}` : "/");
  readSoon(150);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if ("plain" in form.dataset || !isPorts()) return;
  event.preventDefault();
  if (form.id === "filter") {
    choose();
    return;
  }
  ("ask" in form.dataset ? ask(form) : act(form)).catch(() => {
    one("#dialog").close();
    tellError("The daemon did not answer. Nothing may have changed.");
  });
});

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy], [data-cancel], [data-dismiss], [data-focus]");
  if (target === null || !isPorts()) return;
  event.preventDefault();
  if ("copy" in target.dataset) copy(target);
  else if ("focus" in target.dataset) document.getElementById(target.dataset.focus).focus();
  else if ("cancel" in target.dataset) one("#dialog").close();
  else one("#result").replaceChildren();
});

if (isPorts()) {
  for (const part of document.querySelectorAll("[data-live]")) known.set(part.id, part.outerHTML);
  clockAhead = Date.parse(one("#summary").dataset.now) - Date.now();
  if (one("#result p")) {
    const here = new URLSearchParams(location.search);
    here.delete("result");
    history.replaceState(null, "", here.size ? `/?${here}` : "/");
  }
  one("#filter").addEventListener("input", choose);
  setInterval(tick, 1000);
  setInterval(() => document.hidden || readSoon(0), CHECK);
  if (one("[data-poll]")) readSoon(PAUSE);
  follow();
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", follow);
}
