// Makes one element like another by changing as little as can be: focus, selection, what is folded and what moves stay.

export function morph(old, fresh) {
  // The first class says what an element is, any others how it is.
  if (old.nodeName !== fresh.nodeName || old.id !== fresh.id || old.classList?.[0] !== fresh.classList?.[0]) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether something is folded is the visitor's.
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !(name === "open" && old.nodeName === "DETAILS")) old.setAttribute(name, value);
  }
  const kept = [...old.childNodes];
  const wanted = [...fresh.childNodes];
  wanted.forEach((node, at) => (at < kept.length ? morph(kept[at], node) : old.append(node)));
  kept.slice(wanted.length).forEach((node) => node.remove());
}
