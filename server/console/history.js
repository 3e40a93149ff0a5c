// Who changed the baseline, when, why, and what it did.

import { get } from './api.js';
import { chip, empty, h, table } from './dom.js';
import { at, when } from './time.js';
import { bar, counts, ruleText, scopeText } from './baseline.js';

export const title = 'Changes';

export async function load() {
  const [doc, status] = await Promise.all([get('/v1/baseline/history'),
    get('/v1/status')]);
  return { changes: doc.changes, now: status.now };
}

function rules(policy) {
  if (!policy || Object.keys(policy).length === 0) {
    return h('span', { class: 'muted' }, 'as configured');
  }
  const rows = [];
  if (policy.default) rows.push(['default', ruleText(policy.default)]);
  for (const [k, v] of Object.entries(policy.fmspc ?? {})) {
    rows.push([scopeText({ fmspc: k }), ruleText(v)]);
  }
  for (const [k, v] of Object.entries(policy.listen ?? {})) {
    rows.push([scopeText({ listen: k }), ruleText(v)]);
  }
  for (const a of policy.amd ?? []) {
    rows.push([a.product, `least TCB ${a.tcb}`]);
  }
  return h('ul', { class: 'plain' }, rows.map(([k, v]) =>
    h('li', null, h('b', null, k), `: ${v}`)));
}

function impact(i) {
  if (!i) return '–';
  if (JSON.stringify(i.before) === JSON.stringify(i.after)) {
    return [bar(i.after), counts(i.after),
      h('p', { class: 'muted' }, 'no platform changes')];
  }
  return [h('span', { class: 'muted' }, 'before'), bar(i.before),
    counts(i.before), h('br'), h('span', { class: 'muted' }, 'after'),
    bar(i.after), counts(i.after)];
}

function row(c, now) {
  return h('tr', null, h('td', { class: 'num' }, c.revision),
    h('td', { class: 'whole' }, when(c.at, now)), h('td', null, c.who || '–'),
    h('td', null, chip('none', c.verb)),
    h('th', { scope: 'row', class: 'wide' }, c.reason),
    h('td', null, rules(c.before)), h('td', null, rules(c.after)),
    h('td', null, impact(c.impact)));
}

export function render({ changes, now: text }) {
  const now = at(text);
  return h('section', { class: 'card' }, h('h2', null, 'Changes of the ' +
    'baseline'),
  changes.length === 0
    ? empty('The rules are those of the configuration: nobody has changed ' +
      'them at run time.')
    : table('Changes', [{ text: 'Revision', class: 'num' }, 'When', 'Who',
      'What', 'Why', 'Rules before', 'Rules after', 'Platforms'],
    changes.map((c) => row(c, now)), { class: 'changes' }));
}
