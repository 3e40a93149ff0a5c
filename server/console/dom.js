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

// A table: head is a list of texts or { text, class }, rows of cells.  On a
// phone each row is a block, its cells named by what stands in data-name.
export function table(caption, head, rows, attrs) {
  const names = head.map((c) => c.text ?? c);
  for (const row of rows) {
    [...row.children].forEach((c, i) => {
      if (names[i]) c.dataset.name = names[i];
    });
  }
  return h('div', { class: 'scroll', tabindex: '0', role: 'region',
    'aria-label': caption },
  h('table', { ...attrs, class: `stack ${attrs?.class ?? ''}`.trim() },
    h('caption', { class: 'hidden' }, caption),
    h('thead', null, h('tr', null, head.map((c) => h('th',
      { scope: 'col', class: c.class }, c.text ?? c)))),
    h('tbody', null, rows)));
}

// A key or an address may be broken behind its slashes alone.
export function slashes(text) {
  return text.split(/(?<=\/)/).flatMap((part, i) =>
    (i > 0 ? [h('wbr'), part] : [part]));
}

// Long lists begin short.  Which have been opened is remembered by name.
const opened = new Map();

export function shortly(name, all, least, page) {
  const n = Math.max(least, opened.get(name) ?? 0);
  if (all.length <= n) return { some: all, more: null };
  const next = Math.min(all.length - n, Math.max(4 * least, n));
  return { some: all.slice(0, n),
    more: h('p', { class: 'more' }, button(`Show ${next} more`, () => {
      opened.set(name, n + next);
      page.redraw();
    }, { 'data-key': `more-${name}` }),
    h('span', { class: 'muted' }, `${n} of ${all.length} shown`)) };
}

export function empty(text) {
  return h('p', { class: 'empty' }, text);
}

export function plural(n, one, many) {
  return `${n} ${n === 1 ? one : many ?? `${one}s`}`;
}
