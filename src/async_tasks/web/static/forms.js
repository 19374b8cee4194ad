// Forms work without this file: a button that adds a row sends the form and gets it back with one more.
// With it the same happens in place. Rows keep their numbers when one is taken out; the server counts them anew.

import { say } from "./app.js";

const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
const two = (number) => String(number).padStart(2, "0");

// Rows

const rowsOf = (list) => [...list.querySelector(":scope > .rows").children];
const addButton = (list) => list.querySelector(":scope > .add");

function add(list) {
  const numbers = rowsOf(list).map((row) => Number(row.querySelector(":scope > .remove").value.split(".").pop()));
  const holder = document.createElement("template");
  const stand = `~${list.dataset.list}~`;
  holder.innerHTML = list.querySelector(":scope > template").innerHTML.replaceAll(stand, Math.max(-1, ...numbers) + 1);
  const row = holder.content.querySelector(".row");
  list.querySelector(":scope > .rows").append(row);
  row.querySelectorAll("[data-zone]").forEach(inOwnZone);
  count(list);
  (row.querySelector("input:not([type=hidden]), select, textarea") ?? row.querySelector("button")).focus();
  say(`${nameOf(row)} added`);
}

function remove(row) {
  const list = row.closest("[data-list]");
  const gone = nameOf(row);
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  count(list);
  const focus = next?.querySelector(":scope > .remove:not([hidden])") ?? addButton(list);
  focus.focus();
  say(`${gone} removed`);
}

const nameOf = (row) => row.querySelector(":scope > .remove").textContent.trim().replace(/^Remove\s+/, "");

function count(list) {
  const rows = rowsOf(list);
  const { least = 0, most = Infinity } = list.dataset;
  addButton(list).hidden = rows.length >= Number(most);
  rows.forEach((row, at) => {
    row.querySelectorAll(`[data-number="${Number(list.dataset.list) + 1}"]`).forEach((number) => {
      number.textContent = at + 1;
    });
    row.querySelector(":scope > .remove").hidden = rows.length <= Number(least);
  });
}

addEventListener("click", (event) => {
  const button = event.target.closest?.("button.add, button.remove, button.example");
  if (!button) return;
  if (button.matches(".example")) {
    const input = document.getElementById(button.dataset.for);
    if (!input) return; // more than a text: the server fills it in
    input.value = button.dataset.text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.focus();
  } else if (button.matches(".remove")) {
    remove(button.closest(".row"));
  } else {
    const list = button.closest("[data-list]");
    if (rowsOf(list).length >= 100) return; // the server goes on with JSON
    add(list);
  }
  event.preventDefault();
});

// Half a date reaches the server as an empty field, so only the browser can tell.
addEventListener(
  "submit",
  (event) => {
    for (const input of event.target.elements) {
      const slot = document.getElementById(`${input.id}.error`);
      if (slot && input.validity?.badInput && input.checkVisibility()) {
        slot.textContent = input.validationMessage;
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("aria-describedby", slot.id);
        input.focus();
        event.preventDefault();
        event.stopImmediatePropagation(); // it was not sent
        return;
      }
    }
  },
  { capture: true },
);

// Moments: read from the visitor's own clock, unless another was chosen

function offset(clock) {
  const minutes = -(clock ? new Date(clock) : new Date()).getTimezoneOffset();
  const length = Math.abs(minutes || 0);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(length / 60))}:${two(length % 60)}`;
}

function onOwnClock(input) {
  const at = new Date(`${input.value}Z`);
  const day = [String(at.getFullYear()).padStart(4, "0"), two(at.getMonth() + 1), two(at.getDate())].join("-");
  input.value = `${day}T${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}

function inOwnZone(select) {
  const input = document.getElementById(select.dataset.zone);
  if (own === "UTC") return;
  const option = new Option(own.replaceAll("_", " "));
  const refresh = () => {
    option.value = offset(input.value);
  };
  refresh();
  const same = [...select.options].find((other) => other.value === option.value);
  same?.remove();
  select.add(option, 0);
  input.addEventListener("input", refresh);
  const untouched = select.dataset.fresh !== undefined && select.value === "Z";
  if (untouched && input.value) onOwnClock(input);
  if (same?.selected || untouched) option.selected = true;
  refresh();
}

document.querySelectorAll("[data-zone]").forEach(inOwnZone);
