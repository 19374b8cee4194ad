// Parts of a page that follow whatever changes: the page is fetched again, and its regions are made like the new ones.
//
// <section id="rows" data-region>      when a task changes;
// <section id="rows" data-region="5">  and every 5 seconds, for what changes without a word.
// <section id="logs" data-own>         when the task changes whose page it is; data-own="5" likewise.

import { localize } from "./app.js";
import { morph } from "./morph.js";

// ms: the server says at most once in this time that something changed, and what changes in it is seen at its end.
const GATHER = 500;

const regions = [...document.querySelectorAll("[data-region][id], [data-own][id]")];
export const present = regions.some(({ dataset }) => "region" in dataset);

let timer = 0;
let pause = GATHER;
let fetching = false;
let again = false;

export function refreshSoon() {
  if (regions.length && !timer) timer = setTimeout(refresh, pause);
}

async function refresh() {
  timer = 0;
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  const began = performance.now();
  try {
    const answer = await fetch(location.href, { redirect: "manual", cache: "no-store" });
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The stream says that the server is away, and looks again when it is back.
  } finally {
    fetching = false;
    // A slow page, or a slow line, gets time for other things.
    pause = Math.max(GATHER, 2 * (performance.now() - began));
    if (again) refreshSoon();
    again = false;
  }
}

function show(page) {
  const focused = document.activeElement;
  for (const { id } of regions) {
    const old = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (!old || !fresh) continue;
    localize(fresh);
    morph(old, fresh);
    // For scripts that draw what the region says.
    document.getElementById(id).dispatchEvent(new CustomEvent("refreshed", { bubbles: true }));
  }
  lookAgain();
  // What had the focus may be gone; it stays where it was, near enough.
  if (!focused.isConnected) document.getElementById("main").focus({ preventScroll: true });
}

// A region may want it no longer, once what it shows has come to its end.
let clock = 0;
function lookAgain() {
  clearTimeout(clock);
  const now = regions.map(({ id }) => document.getElementById(id)?.dataset ?? {});
  const seconds = Math.min(...now.map(({ region, own }) => Number(region || own) || Infinity));
  if (seconds === Infinity) return;
  clock = setTimeout(() => {
    if (!document.hidden) refreshSoon();
    lookAgain();
  }, seconds * 1000);
}
lookAgain();
