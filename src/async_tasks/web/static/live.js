// Makes a page live: one stream of events while it can be seen, and looks from time to time where no stream comes through.

import { localize, now, say } from "./app.js";
import { morph } from "./morph.js";
import { present as following, refreshSoon } from "./regions.js";

const OPENING = 5000; // ms within which a stream must begin: a proxy may hold it back
const SILENCE = 40000; // ms without a word after which it is given up; the server says something every 15 s
const SHORTEST = 1000, LONGEST = 30000; // ms between two looks
const LISTED = 40;

const body = document.body;
const entries = document.getElementById("entries");
const list = document.getElementById("mine");
const count = document.getElementById("count");
const stale = document.getElementById("stale");
const title = document.title.replace(/^\(.*?\) /, "");

let cursor = body.dataset.after;
let source = null; // the open stream
let watchdog = 0; // ends a stream that says nothing
let timer = 0; // of the next look
let pause = SHORTEST;
let streamPause = SHORTEST; // ms until a broken stream is tried again
let nextStream = 0;
let failures = 0; // of streams, one after the other
let over = false; // logged out: nothing is told any more

const finished = new Map(); // mine that have finished, by id: when, and whether it failed
const running = new Set(); // mine that have not
let inSight = false; // whether the list can be seen

// ---- what is told -----------------------------------------------------------------------------------------------

function query() {
  const asked = new URLSearchParams({ after: cursor });
  if (body.dataset.task) asked.set("task", body.dataset.task);
  if ("list" in body.dataset) asked.set("list", "");
  if (following) asked.set("all", "");
  return asked;
}

function look({ cursor: place, unseen, updates }) {
  if (place !== cursor) refreshSoon();
  cursor = place;
  for (const [id, at, failed] of unseen) finished.set(id, { at, failed });
  updates.forEach(update);
  showBadge();
}

function update({ id, name, state, mine, submitted_at, finished_at, entry, task }) {
  if (mine) {
    if (finished_at) {
      if (running.delete(id)) say(`${name}: ${state.toLowerCase()}`);
      finished.set(id, { at: finished_at, failed: state === "FAILURE" });
    } else running.add(id);
  }
  if (entry && entries) place(id, submitted_at, fragment(entry));
  if (task) {
    showTask(fragment(task), { told: mine, name });
    refreshSoon();
  }
}

function showTask(fresh, { told, name }) {
  const old = document.querySelector(".task");
  const ended = old.querySelector("#cancel") && !fresh.querySelector("#cancel");
  const focused = document.activeElement;
  morph(old, fresh);
  if (ended && !told) say(`${name}: ${fresh.dataset.state.toLowerCase()}`);
  // A button that is gone takes the focus along; it stays where it was, near enough.
  if (!focused.isConnected) document.getElementById("main").focus({ preventScroll: true });
}

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  localize(template.content);
  return template.content.firstElementChild;
}

function place(id, at, fresh) {
  const old = entries.querySelector(`[data-task="${CSS.escape(id)}"]`);
  if (old) {
    morph(old, fresh);
    return;
  }
  document.getElementById("nothing")?.remove();
  const later = [...entries.children].find((each) => Number(each.dataset.at) <= at);
  entries.insertBefore(fresh, later ?? null);
  while (entries.children.length > LISTED) entries.lastElementChild.remove();
}

// ---- the badge --------------------------------------------------------------------------------------------------

const SEEN = "async_tasks_seen";
const seen = () => Number(document.cookie.match(/(?:^|; )async_tasks_seen=(\d+)/)?.[1] ?? 0);

function showBadge() {
  if (inSight && !document.hidden) markSeen();
  const fresh = [...finished.values()].filter(({ at }) => at > seen());
  const failed = fresh.filter((each) => each.failed).length;
  count.hidden = !fresh.length;
  count.textContent = fresh.length;
  count.classList.toggle("failed", failed > 0);
  const words = fresh.length ? `${fresh.length} finished${failed ? `, ${failed} failed` : ""}` : "";
  document.getElementById("count-words").textContent = words;
  document.title = `${fresh.length ? `(${fresh.length}${failed ? `, ${failed} failed` : ""}) ` : ""}${title}`;
}

function markSeen() {
  const latest = Math.max(0, ...[...finished.values()].map(({ at }) => at));
  if (latest <= seen()) return;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${SEEN}=${latest}; path=/; max-age=31622400; samesite=lax${secure}`;
}

if (list) {
  new IntersectionObserver(([seenNow]) => {
    inSight = seenNow.isIntersecting;
    showBadge();
  }).observe(list);
}

// ---- the stream -------------------------------------------------------------------------------------------------

function open() {
  if (source || document.hidden || over) return;
  const mine = (source = new EventSource(`/live?${query()}`));
  heard(OPENING);
  mine.addEventListener("look", (event) => {
    live();
    look(JSON.parse(event.data));
  });
  mine.addEventListener("change", (event) => {
    heard(SILENCE);
    cursor = event.lastEventId;
    update(JSON.parse(event.data));
    showBadge();
  });
  mine.addEventListener("stir", (event) => {
    heard(SILENCE);
    cursor = event.lastEventId;
    refreshSoon();
  });
  mine.addEventListener("beat", () => heard(SILENCE));
  // The browser would come back by itself, but not after every failure, and it could not look meanwhile.
  mine.addEventListener("error", broken);
}

function heard(patience) {
  clearTimeout(watchdog);
  watchdog = setTimeout(broken, patience);
}

function live() {
  heard(SILENCE);
  clearTimeout(timer);
  pause = streamPause = SHORTEST;
  failures = 0;
  hint("");
}

function close() {
  clearTimeout(watchdog);
  source?.close();
  source = null;
}

function broken() {
  close();
  failures += 1;
  nextStream = now() + streamPause;
  streamPause = Math.min(streamPause * 2, 2 * LONGEST);
  lookSoon();
}

// ---- looks ------------------------------------------------------------------------------------------------------

function lookSoon() {
  clearTimeout(timer);
  timer = setTimeout(lookNow, pause);
  pause = Math.min(pause * 2, LONGEST);
}

async function lookNow() {
  try {
    const answer = await fetch(`/live/now?${query()}`, { redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      over = true;
      close();
      hint("You are logged out.");
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const told = await answer.json();
    const before = cursor;
    look(told);
    if (told.cursor !== before && running.size) pause = SHORTEST; // something goes on
    if (document.hidden) {
      awayLook();
      return;
    }
    if (now() >= nextStream) open();
    // A short break is not worth a word.
    if (failures > 1) hint("Not live: looking from time to time");
  } catch {
    if (document.hidden) {
      awayLook();
      return;
    }
    hint("Not live: the server does not answer");
  }
  lookSoon(); // until the stream says something
}

function hint(words) {
  if (stale.textContent === words) return;
  stale.textContent = words;
  stale.hidden = !words;
  if (words) say(words);
}

// While nobody looks, there is no stream: a browser has six connections to a server for all of its tabs. What finishes
// shows in the title all the same, some time later.
function awayLook() {
  clearTimeout(timer);
  if (running.size) timer = setTimeout(lookNow, LONGEST);
}

function onVisibility() {
  if (document.hidden) {
    close();
    awayLook();
  } else {
    pause = streamPause = SHORTEST;
    clearTimeout(timer);
    showBadge();
    open();
  }
}

document.addEventListener("visibilitychange", onVisibility);
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => event.persisted && onVisibility());
if (document.hidden) lookNow();
else open();
