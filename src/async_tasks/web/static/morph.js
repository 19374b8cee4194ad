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
  morphChildren(old, [...fresh.childNodes]);
}

// An element with an id stays itself wherever it goes: the row that is ticked, not the place of a ticked row.
function morphChildren(old, wanted) {
  const ids = new Set(wanted.map(({ id }) => id).filter(Boolean));
  const known = new Map([...old.children].filter(({ id }) => ids.has(id)).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const node of wanted) {
    // What goes makes room first: an element that is moved would lose its focus.
    place = drop(place, ({ id }) => id && !ids.has(id));
    const same = node.id && known.get(node.id);
    if (same) {
      place = drop(place, (each) => each !== same && !each.id);
      if (place !== same) old.insertBefore(same, place);
      place = same.nextSibling;
      morph(same, node);
    } else if (!place || node.id || place.id) {
      old.insertBefore(node, place);
    } else {
      const next = place.nextSibling;
      morph(place, node);
      place = next;
    }
  }
  drop(place, () => true);
}

function drop(node, unwanted) {
  while (node && unwanted(node)) {
    const next = node.nextSibling;
    node.remove();
    node = next;
  }
  return node;
}
