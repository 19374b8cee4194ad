// The code that submits what is typed: the server writes it anew while one types, as it writes it without this file.

import { morph } from "./morph.js";

const PAUSE = 250; // ms without a key after which it is written anew

const holder = document.getElementById("as-code");
const form = document.getElementById("typed-in");
let timer = 0;
let asked = 0;

function soon() {
  clearTimeout(timer);
  if (holder.open) timer = setTimeout(write, PAUSE);
}

async function write() {
  const mine = ++asked;
  try {
    const answer = await fetch(holder.dataset.source, { method: "POST", body: new FormData(form), redirect: "error" });
    if (!answer.ok || mine !== asked) return; // something newer is on its way
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    morph(document.getElementById("snippets"), document.adoptNode(page.getElementById("snippets")));
  } catch {
    // The next key tries again.
  }
}

form.addEventListener("input", soon);
form.addEventListener("change", soon);
// Rows come and go by buttons.
form.addEventListener("click", (event) => event.target.closest("button[name]") && soon());
holder.addEventListener("toggle", soon);
