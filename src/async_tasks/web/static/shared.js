// A task that was shared is looked at again and again until it has ended: there is no stream for whoever has but a link.

import { localize } from "./app.js";
import { morph } from "./morph.js";

const PAUSE = 2000, LONGEST = 30000; // ms
let pause = PAUSE;

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { redirect: "error", cache: "no-store" });
      if (answer.status === 404 || answer.status === 410) return location.reload();
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("sheet");
      if (!answer.ok || !fresh) throw new Error(String(answer.status));
      localize(fresh);
      morph(document.getElementById("sheet"), document.adoptNode(fresh));
      pause = PAUSE;
      if (document.querySelector(".task").dataset.finished !== undefined) return undefined;
    } catch {
      pause = Math.min(2 * pause, LONGEST);
    }
  }
  return setTimeout(look, pause);
}
setTimeout(look, pause);
