// Elements from plain calls.  Text is always text: nothing here, or
// anywhere in the page, makes markup of a string.

const SVG = 'http://www.w3.org/2000/svg';

function put(node, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name === 'class') node.setAttribute('class', value);
  else if (name === 'style') {
    for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
  } else if (name.startsWith('on')) {
    node.addEventListener(name.slice(2), value);
  } else if (value === true) node.setAttribute(name, '');
  else node.setAttribute(name, String(value));
}

function fill(node, children) {
  for (const c of children.flat(Infinity)) {
    if (c === null || c === undefined || c === false || c === '') continue;
    node.append(c instanceof Node ? c : document.createTextNode(String(c)));
  }
  return node;
}

// h('p', { class: 'muted', onclick: f }, 'text', [more, ...])
export function h(tag, attrs, ...children) {
  const node = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) put(node, k, v);
  return fill(node, children);
}

export function svg(tag, attrs, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [k, v] of Object.entries(attrs || {})) put(node, k, v);
  return fill(node, children);
}

export const byId = (id) => document.getElementById(id);

// A coloured word: kind is good, soft, warn, bad or none.
export function chip(kind, text, title) {
  return h('span', { class: `chip ${kind}`, title }, text);
}

export function button(text, onclick, attrs) {
  return h('button', { type: 'button', onclick, ...attrs }, text);
}

// A table: head is a list of texts or { text, class }, rows of cells.
export function table(caption, head, rows, attrs) {
  return h('div', { class: 'scroll', tabindex: '0', role: 'region',
    'aria-label': caption },
  h('table', attrs,
    h('caption', { class: 'hidden' }, caption),
    h('thead', null, h('tr', null, head.map((c) => h('th',
      { scope: 'col', class: c.class }, c.text ?? c)))),
    h('tbody', null, rows)));
}

export function empty(text) {
  return h('p', { class: 'empty' }, text);
}

export function plural(n, one, many) {
  return `${n} ${n === 1 ? one : many ?? `${one}s`}`;
}
