// Who changed the baseline, when, why, and what it did.

import { get } from './api.js';
import { button, chip, empty, h, plural, table } from './dom.js';
import { at, when } from './time.js';
import { bar, counts, ruleText, scopeText } from './baseline.js';

export const title = 'Changes';

let pages = 1; // of a hundred changes each

export async function load() {
  const status = await get('/v1/status');
  let doc = { changes: [], next: null };
  const changes = [];
  for (let i = 0; i < pages && (i === 0 || doc.next); i++) {
    doc = await get(`/v1/baseline/history${i === 0 ? ''
      : `?before=${doc.next}`}`);
    changes.push(...doc.changes);
  }
  return { changes, next: doc.next, now: status.now };
}

// Scope and rule in words, of every rule set at run time.
function rulesOf(policy) {
  const rows = new Map();
  if (policy?.default) rows.set('default', ruleText(policy.default));
  for (const [k, v] of Object.entries(policy?.fmspc ?? {})) {
    rows.set(scopeText({ fmspc: k }), ruleText(v));
  }
  for (const [k, v] of Object.entries(policy?.listen ?? {})) {
    rows.set(scopeText({ listen: k }), ruleText(v));
  }
  for (const a of policy?.amd ?? []) {
    rows.set(a.chip ? `${a.product} chip ${a.chip.slice(0, 4)}…` : a.product,
      a.tcb === 'auto' ? 'the newest TCB' : `least TCB ${a.tcb}`);
  }
  return rows;
}

// What is other than on the other side; the rest is a number.
function rules(policy, other) {
  const mine = rulesOf(policy);
  const theirs = rulesOf(other);
  const differ = [...mine].filter(([k, v]) => theirs.get(k) !== v);
  const lost = [...theirs.keys()].filter((k) => !mine.has(k));
  const rest = mine.size - differ.length;
  return h('ul', { class: 'plain' },
    differ.map(([k, v]) => h('li', null, h('b', null, k), `: ${v}`)),
    lost.map((k) => h('li', null, h('b', null, k), ': ',
      h('span', { class: 'muted' }, 'as configured'))),
    rest > 0 || differ.length + lost.length === 0
      ? h('li', { class: 'muted' }, rest === 0 ? 'as configured'
        : `${plural(rest, 'other rule')} the same`) : null);
}

function chips(amd) {
  if (!amd) return null;
  return h('p', { class: amd.fall > 0 ? 'fall' : 'muted' },
    `AMD: ${amd.before.below} of ${plural(amd.chips, 'chip')} below before, ` +
    `${amd.after.below} after`);
}

function impact(i) {
  if (!i) return '–';
  if (JSON.stringify(i.before) === JSON.stringify(i.after)) {
    return [bar(i.after), counts(i.after),
      h('p', { class: 'muted' }, 'no platform changes'), chips(i.amd)];
  }
  return [h('span', { class: 'muted' }, 'before'), bar(i.before),
    counts(i.before), h('br'), h('span', { class: 'muted' }, 'after'),
    bar(i.after), counts(i.after), chips(i.amd)];
}

function row(c, now) {
  return h('tr', null, h('td', { class: 'num' }, c.revision),
    h('td', { class: 'whole' }, when(c.at, now)), h('td', null, c.who || '–'),
    h('td', null, chip('none', c.verb)),
    h('th', { scope: 'row', class: 'wide' }, c.reason),
    h('td', null, rules(c.before, c.after)),
    h('td', null, rules(c.after, c.before)),
    h('td', null, impact(c.impact)));
}

export function render({ changes, next, now: text }, page) {
  const now = at(text);
  return h('section', { class: 'card' }, h('h2', null, 'Changes of the ' +
    'baseline'),
  changes.length === 0
    ? empty('The rules are those of the configuration: nobody has changed ' +
      'them at run time.')
    : table('Changes', [{ text: 'Revision', class: 'num' }, 'When', 'Who',
      'What', 'Why', 'Rules before', 'Rules after', 'Platforms'],
    changes.map((c) => row(c, now)), { class: 'changes' }),
  next ? h('p', { class: 'more' }, button('Show older ones', () => {
    pages++;
    page.refresh();
  }, { 'data-key': 'older' })) : null);
}
