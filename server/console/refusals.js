// What was refused: objects at the trust gate, and requests.

import { get } from './api.js';
import { button, chip, empty, h, shortly, table } from './dom.js';
import { at, when } from './time.js';

export const title = 'Refusals';
let only = 'all';

export async function load() {
  const [doc, status] = await Promise.all([get('/v1/refusals'),
    get('/v1/status')]);
  return { refusals: doc.refusals, now: status.now };
}

function kind(r) {
  if (r.where === 'gate') return chip('bad', 'gate');
  return chip(r.status >= 500 ? 'warn' : 'none', String(r.status));
}

function row(r, now) {
  return h('tr', null, h('td', { class: 'whole' }, when(r.at, now)),
    h('td', null, kind(r)), h('th', { scope: 'row' }, r.what),
    h('td', null, h('code', null, r.reason)),
    h('td', { class: 'num' }, r.count),
    h('td', null, r.who || '–'),
    h('td', { class: 'wide' }, r.text,
      r.clause ? h('span', { class: 'muted' }, ` (${r.clause})`) : null));
}

const CHOICES = [['all', 'All'], ['gate', 'Objects at the gate'],
  ['answer', 'Requests']];

export function render(data, page) {
  const now = at(data.now);
  const all = data.refusals.filter((r) => only === 'all' || r.where === only);
  const { some: rows, more } = shortly('refusals', all, 50, page);
  const choose = h('div', { class: 'choices', role: 'group',
    'aria-label': 'Which refusals' },
  CHOICES.map(([name, text]) => button(text, () => {
    only = name;
    page.redraw();
  }, { 'aria-pressed': String(only === name), 'data-key': `only-${name}` })));
  return h('section', { class: 'card' }, h('h2', null, 'Refused lately'),
    h('p', { class: 'muted' }, 'Since the start, the same again counted in ' +
      'one row; the log has every one.'), choose,
    rows.length === 0 ? empty('Nothing was refused.')
      : table('Refusals', ['Last', 'Kind', 'What', 'Reason',
        { text: 'Times', class: 'num' }, 'From', 'Text'],
      rows.map((r) => row(r, now))), more);
}
