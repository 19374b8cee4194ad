"use strict";

// The pages work without this file. It makes them live: what a stream sends is HTML from the same templates.

const FIRST_PAUSE = 1000; // ms before a refused stream is asked for again
const LONGEST_PAUSE = 30000;

function watch(area, pause = FIRST_PAUSE) {
  const source = new EventSource(area.dataset.live);
  source.addEventListener("change", (event) => {
    pause = FIRST_PAUSE;
    const { id, html } = JSON.parse(event.data);
    replace(area.querySelector(`[data-task="${CSS.escape(id)}"]`), html);
  });
  source.addEventListener("end", () => source.close());
  source.addEventListener("error", () => {
    // A broken connection is taken up again by the browser; a refusal, such as 503, is not.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => watch(area, Math.min(pause * 2, LONGEST_PAUSE)), pause);
    }
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

function replace(old, html) {
  if (!old) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.querySelector("[data-task]");
  old.querySelectorAll("details[open]").forEach((open, at) => {
    const same = fresh.querySelectorAll("details")[at];
    if (same) same.open = true;
  });
  localize(fresh);
  if (old.innerHTML !== fresh.innerHTML) old.replaceWith(fresh);
}

function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.title = time.dateTime;
    time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

function guard(form) {
  form.addEventListener("submit", (event) => {
    // Half a date reaches the server as an empty field, so only the browser can tell.
    for (const input of form.elements) {
      const slot = document.getElementById(`${input.id}.error`);
      if (slot && input.validity.badInput) {
        slot.textContent = input.validationMessage;
        input.setAttribute("aria-invalid", "true");
        input.focus();
        event.preventDefault();
        return;
      }
    }
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}

localize(document);
document.querySelectorAll("[data-live]").forEach((area) => watch(area));
document.querySelectorAll("form[method=post]").forEach(guard);
addEventListener("pageshow", (event) => {
  // Back from the history, with the page as it was left: the forms may be sent again, the lists may be old.
  document.querySelectorAll("form").forEach((form) => delete form.dataset.sent);
  if (event.persisted && document.querySelector("[data-live]")) location.reload();
});
