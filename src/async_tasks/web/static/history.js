// The History page works without this file. It selects many at once, and reads times from the visitor's own clock.

const rows = document.getElementById("rows");
const all = () => document.getElementById("tick-all");
const ticks = () => [...rows.querySelectorAll("input[name=id]")];
const elsewhere = document.getElementById("elsewhere");

// ---- the selection ----------------------------------------------------------------------------------------------

// What is selected stays so when newer tasks push it off the page: it is sent along, unseen.
const selected = new Set();
let last = null; // the row that was ticked last, for a range

function show() {
  const here = ticks();
  for (const tick of here) tick.checked = selected.has(tick.value);
  const seen = new Set(here.map(({ value }) => value));
  elsewhere.replaceChildren(
    ...[...selected].filter((id) => !seen.has(id)).map((id) => Object.assign(document.createElement("input"), { type: "hidden", name: "id", value: id })),
  );
  const number = here.filter(({ checked }) => checked).length;
  if (all()) {
    all().checked = number > 0 && number === here.length;
    all().indeterminate = number > 0 && number < here.length;
  }
  const words = document.getElementById("selected");
  if (!words) return;
  words.textContent = `${selected.size} selected`;
  for (const button of words.parentElement.querySelectorAll("button")) button.disabled = !selected.size;
}

function mark(tick) {
  if (tick.checked) selected.add(tick.value);
  else selected.delete(tick.value);
}

rows.addEventListener("click", ({ target, shiftKey }) => {
  if (target === all()) {
    for (const tick of ticks()) mark(Object.assign(tick, { checked: target.checked }));
  } else if (target.name === "id") {
    const here = ticks();
    const from = shiftKey && last ? here.findIndex(({ value }) => value === last) : -1;
    const to = here.indexOf(target);
    const range = from < 0 ? [target] : here.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const tick of range) mark(Object.assign(tick, { checked: target.checked }));
    last = target.value;
  } else return;
  show();
});
addEventListener("refreshed", show);
// A browser that comes back, or reloads, may have kept the ticks.
addEventListener("pageshow", () => {
  for (const tick of ticks()) mark(tick);
  show();
});

// ---- the filters ------------------------------------------------------------------------------------------------

const zone = document.getElementById("zone");
const moments = ["from", "to"].map((id) => document.getElementById(id));
const preset = document.getElementById("last");
const two = (number) => String(number).padStart(2, "0");

function onOwnClock(input) {
  if (!input.value) return;
  const at = new Date(`${input.value}Z`);
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  input.value = `${day}T${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}

moments.forEach(onOwnClock);
zone.disabled = true; // each moment says its own, as summer may lie between them
for (const words of document.querySelectorAll(".zone")) words.remove();
for (const input of moments) {
  input.addEventListener("input", () => {
    preset.value = "between";
  });
}
preset.addEventListener("change", () => {
  if (preset.value !== "between") return;
  moments[0].closest("details").open = true;
  moments[0].focus();
});

document.getElementById("filter").addEventListener("formdata", ({ formData }) => {
  for (const { name, value } of moments) {
    if (value) formData.set(name, new Date(value).toISOString());
  }
});
