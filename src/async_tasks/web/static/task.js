// The log of a task follows its end, as long as its end is what one looks at.

let atEnd = true;
const lines = () => document.querySelector("#logs .lines");

function watch() {
  const list = lines();
  if (!list || list.dataset.watched) return;
  list.dataset.watched = "";
  list.addEventListener("scroll", () => {
    atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  });
}

function show() {
  watch();
  if (atEnd && lines()) lines().scrollTop = lines().scrollHeight;
}

document.getElementById("logs")?.addEventListener("refreshed", show);
show();
