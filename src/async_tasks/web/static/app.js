// The pages work without this file. It says times in the visitor's zone, guards forms, copies and finds.

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const LANGUAGE = navigator.language.startsWith("en") ? navigator.language : "en-GB"; // the pages are in English

// The store's clock is what times are by; the visitor's may be wrong.
const ahead = Number(document.body.dataset.now) - Date.now();
export const now = () => Date.now() + ahead;

const format = (options) => new Intl.DateTimeFormat(LANGUAGE, options);
const CLOCK = format({ hour: "2-digit", minute: "2-digit" });
const SECONDS = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DATE = format({ day: "numeric", month: "short" });
const YEAR = format({ day: "numeric", month: "short", year: "numeric" });
const EXACT = format({
  weekday: "short", day: "numeric", month: "long", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZoneName: "short",
});

export function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!time.title) time.title = EXACT.format(at);
    const text = WORDS[time.dataset.as || "near"](at);
    if (time.textContent !== text) time.textContent = text;
  }
}

const WORDS = {
  near(at) {
    const away = now() - at;
    if (away > -2 * SECOND && away < 45 * SECOND) return "just now";
    if (Math.abs(away) < HOUR) return away < 0 ? `in ${length(-away)}` : `${Math.round(away / MINUTE)} min ago`;
    return `${day(at)} ${CLOCK.format(at)}`;
  },
  due: (at) => (at - now() < SECOND ? "now" : WORDS.near(at)),
  clock: (at) => (day(at) === "today" ? SECONDS.format(at) : `${day(at)} ${SECONDS.format(at)}`),
  length: (at) => length(Math.max(0, now() - at)),
};

function length(ms) {
  const s = Math.round(ms / SECOND);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s < 600 && s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function day(at) {
  const midnight = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
  const today = new Date(now());
  const days = Math.round((midnight(at) - midnight(today)) / DAY);
  const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days];
  return near || (at.getFullYear() === today.getFullYear() ? DATE : YEAR).format(at);
}

// For those who cannot see what changes: few words, and not all at once.
let toSay = [];
export function say(words) {
  toSay.push(words);
  if (toSay.length > 1) return;
  setTimeout(() => {
    const last = toSay.length > 3 ? [`${toSay.length} changes, the last: ${toSay.at(-1)}`] : toSay;
    document.getElementById("said").textContent = last.join(". ");
    toSay = [];
  }, 500);
}

function guard(form) {
  form.addEventListener("submit", (event) => {
    // A button of the form itself, such as one for another row, may be pressed again and again.
    if (event.submitter?.name) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    // An answer may never come. The server knows what it has had.
    setTimeout(() => delete form.dataset.sent, 10 * SECOND);
  });
  if ("keys" in form.dataset) {
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }
}

async function copy(button) {
  const { copy: id, source } = button.dataset;
  let text = id && document.getElementById(id).textContent;
  if (source) {
    const { result } = await (await fetch(source)).json();
    text = typeof result === "string" ? result : JSON.stringify(result, null, 2);
  }
  await navigator.clipboard.writeText(text);
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1500);
  say("Copied");
}

function find(input) {
  const list = document.getElementById(input.getAttribute("aria-controls"));
  const none = list.parentElement.querySelector(".none");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const item of list.children) item.hidden = !words.every((word) => item.dataset.words.includes(word));
    none.hidden = [...list.children].some((item) => !item.hidden);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // what the form would ask the server has been found
    list.querySelector("li:not([hidden]) a")?.click();
  });
  // As in many places; not while something is typed.
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    const catalog = input.closest("[popover]");
    if (catalog && !input.checkVisibility()) catalog.showPopover();
    input.focus();
    input.select();
  });
}

function showCurrent(catalog) {
  const list = document.getElementById("tasks");
  const current = list.querySelector("[aria-current]");
  if (!current) return; // it is not among those that were found
  const show = () => {
    // Within the list alone: the page is not to move.
    list.scrollTop += current.getBoundingClientRect().top - list.getBoundingClientRect().top - list.clientHeight / 2;
  };
  show();
  catalog.addEventListener("toggle", show);
}

localize(document);
setInterval(() => document.hidden || localize(document), SECOND);
document.addEventListener("visibilitychange", () => document.hidden || localize(document));

document.querySelectorAll("form[method=post]").forEach(guard);
document.querySelectorAll("#find").forEach(find);
document.querySelectorAll("#catalog").forEach(showCurrent);
if (/Mac|iP/.test(navigator.platform)) document.querySelectorAll("kbd").forEach((keys) => (keys.textContent = "⌘ ↵"));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button).catch(() => say("It could not be copied"));
});
// Without TLS, on another machine, browsers have no clipboard for pages.
if (!navigator.clipboard) document.documentElement.classList.add("no-clipboard");
for (const flash of document.querySelectorAll(".flash")) say(flash.textContent.trim().replace(/\s+/g, " "));

addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  // Back from the history, with the page as it was left: its forms may be sent again, as other submissions.
  for (const form of document.querySelectorAll("form")) {
    delete form.dataset.sent;
    if (form.elements._once) form.elements._once.value = crypto.getRandomValues(new Uint32Array(3)).join("-");
  }
});
