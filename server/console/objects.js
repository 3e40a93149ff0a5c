// What is cached and how fresh: a line of life per object, from its issue to
// its nextUpdate, with today across all of them.

import { get, post } from './api.js';
import { button, chip, empty, h, plural, shortly, slashes } from './dom.js';
import { at, day, minute, when } from './time.js';

export const title = 'Objects';

const DAY = 86400;
const GROUP_ROWS = 40; // of one kind, before more are asked for
const SPANS = [[20, '20 days'], [70, '70 days'], [800, '2 years']];
const STATES = { fresh: 'good', due: 'soft', stale: 'warn', gone: 'bad' };
const GROUPS = [['tcb', 'TCB info'], ['identity', 'Enclave identities'],
  ['pckcrl', 'PCK CRLs'], ['rootcrl', 'Root CRL'],
  ['evalnums', 'Evaluation numbers'], ['fmspcs', 'FMSPC lists'],
  ['amdchain', 'AMD chains'], ['amdcrl', 'AMD CRLs'], ['vek', 'AMD keys']];

let days = 70;
let filter = '';
let state = 'all';
let open = null; // key whose details are shown
let versions = null; // of that one
let note = '';

export async function load() {
  const status = await get('/v1/status');
  return { objects: status.storage.objects, now: status.now };
}

// --- the scale --------------------------------------------------------

// Today stands at two fifths: what is to come matters more.
function scaleOf(now) {
  const from = now - days * DAY * 0.4;
  const len = days * DAY;
  const pos = (t) => Math.min(100, Math.max(0, (t - from) / len * 100));
  return { from, to: from + len, pos };
}

const STEPS = [1, 2, 5, 10, 14, 30, 60, 90, 180, 365];

function axis(scale, now) {
  const step = (STEPS.find((s) => days / s <= 8) ?? 365) * DAY;
  const marks = [];
  const first = Math.ceil(scale.from / step) * step;
  for (let t = first; t < scale.to; t += step) {
    const x = scale.pos(t);
    if (x > 95 || Math.abs(x - scale.pos(now)) < 6) continue;
    const text = new Date(t * 1000).toISOString();
    marks.push(h('span', { class: 'tick', style: { left: `${x}%` } },
      days > 200 ? text.slice(0, 7) : text.slice(5, 10)));
  }
  return h('div', { class: 'track axis', 'aria-hidden': 'true' }, marks,
    h('span', { class: 'tick today', style: { left: `${scale.pos(now)}%` } },
      'today'));
}

function life(o, scale, now) {
  const from = at(o.issued);
  const to = at(o.next_update);
  const a = scale.pos(from ?? scale.from);
  const b = to === null ? 100 : scale.pos(to);
  const due = at(o.refresh_due);
  const classes = ['life', STATES[o.state] ?? 'none'];
  if (from !== null && from < scale.from) classes.push('before');
  if (to === null || to > scale.to) classes.push('beyond');
  if (to === null) classes.push('endless');
  return h('div', { class: 'track', role: 'img', 'aria-label':
    `issued ${day(o.issued)}, ${to === null ? 'without an end'
      : `until ${day(o.next_update)}`}` },
  h('span', { class: classes.join(' '), title: `${minute(o.issued)} → ` +
    `${minute(o.next_update)} UTC`,
  style: { left: `${a}%`, width: `${Math.max(b - a, 0.6)}%` } }),
  due !== null && due > scale.from && due < scale.to
    ? h('span', { class: 'due', title: `refresh ${minute(o.refresh_due)} UTC`,
      style: { left: `${scale.pos(due)}%` } }) : null,
  h('span', { class: 'now', style: { left: `${scale.pos(now)}%` } }));
}

// --- one object -------------------------------------------------------

async function versionsLoad(key, page) {
  open = key;
  versions = null;
  note = '';
  page.redraw();
  try {
    const doc = await get(`/v1/history?key=${encodeURIComponent(key)}`);
    if (open !== key) return;
    versions = doc.versions;
  } catch (e) {
    note = e.message;
    versions = [];
  }
  page.redraw();
}

async function again(key, page) {
  note = 'Asking …';
  page.redraw();
  try {
    await post(`/v1/refresh?key=${encodeURIComponent(key)}`);
    note = 'Asked again; what came was admitted.';
  } catch (e) {
    const row = Array.isArray(e.doc) ? e.doc[0] : null;
    note = `Refused: ${row ? `${row.reason}: ${row.why}` : e.message}`;
  }
  const said = note;
  await versionsLoad(key, page);
  note = said;
  page.refresh();
}

function versionRow(v, now) {
  return h('tr', null, h('td', null, day(v.issued)),
    h('td', null, day(v.next_update)),
    h('td', null, v.eval_num || '–'),
    h('td', null, when(v.fetched, now)), h('td', null, v.source),
    h('td', null, v.current ? chip('good', 'held') : v.ended_why ?? '–'),
    h('td', null, h('code', { title: v.sha256 }, v.sha256.slice(0, 12))));
}

function details(o, now, page) {
  const f = o.last_failure;
  const facts = [['Fetched', when(o.fetched, now)], ['From', o.source],
    ['Refresh due', when(o.refresh_due, now)],
    ['Evaluation number', o.eval_num || '–'],
    ['Size', `${o.bytes.toLocaleString('en')} bytes`],
    ['Last failure', f ? `${f.reason}, ${plural(f.failures, 'time')}: ` +
      `${f.text}` : 'none']];
  return h('div', { class: 'details' },
    h('dl', null, facts.map(([k, v]) => [h('dt', null, k),
      h('dd', null, v)])),
    h('div', { class: 'scroll' },
      versions === null ? h('p', { class: 'muted' }, 'One moment …')
        : h('table', { class: 'small' },
          h('caption', null, 'Versions held and replaced'),
          h('thead', null, h('tr', null, ['Issued', 'Next update', 'Number',
            'Fetched', 'From', '', 'SHA-256'].map((t) =>
            h('th', { scope: 'col' }, t)))),
          h('tbody', null, versions.slice(0, 12)
            .map((v) => versionRow(v, now))))),
    h('p', { class: 'actions' },
      button('Refresh now', () => again(o.key, page),
        { 'data-key': 'refresh-now' }),
      h('span', { role: 'status' }, note)));
}

function rowsOf(o, scale, now, page) {
  const isOpen = open === o.key;
  const toggle = button(slashes(o.key), () => {
    if (isOpen) {
      open = null;
      page.redraw();
    } else {
      versionsLoad(o.key, page);
    }
  }, { class: 'link', 'aria-expanded': String(isOpen), 'data-key': o.key });
  const row = h('tr', { class: isOpen ? 'open' : null },
    h('th', { scope: 'row', class: 'object' }, toggle),
    h('td', { class: 'state' }, chip(STATES[o.state] ?? 'none', o.state)),
    h('td', { class: 'lives' }, life(o, scale, now)),
    h('td', { class: 'end' }, when(o.next_update, now)));
  return isOpen ? [row, h('tr', { class: 'detail' },
    h('td', { colspan: '4' }, details(o, now, page)))] : [row];
}

// --- all of them ------------------------------------------------------

function tools(objects, page) {
  const count = (s) => objects.filter((o) => s === 'all' || o.state === s)
    .length;
  return h('div', { class: 'tools' },
    h('label', null, 'Find ', h('input', { type: 'search', value: filter,
      placeholder: 'part of a key', 'data-key': 'find', oninput: (e) => {
        filter = e.target.value;
        page.redraw();
      } })),
    h('div', { class: 'choices', role: 'group', 'aria-label': 'State' },
      ['all', ...Object.keys(STATES)].map((s) => button(
        `${s} ${count(s)}`, () => {
          state = s;
          page.redraw();
        }, { 'aria-pressed': String(s === state),
          'data-key': `state-${s}` }))),
    h('div', { class: 'choices', role: 'group', 'aria-label': 'Time shown' },
      SPANS.map(([n, text]) => button(text, () => {
        days = n;
        page.redraw();
      }, { 'aria-pressed': String(n === days), 'data-key': `days-${n}` }))));
}

function groupRows(group, objects, scale, now, page) {
  const [kind, name] = group;
  const mine = objects.filter((o) => o.kind === kind);
  if (mine.length === 0) return [];
  const { some, more } = shortly(`objects-${kind}`, mine, GROUP_ROWS, page);
  return [h('tr', { class: 'group' }, h('th', { colspan: '4',
    scope: 'rowgroup' }, name, h('span', { class: 'muted' },
    ` ${mine.length}`))),
  ...some.flatMap((o) => rowsOf(o, scale, now, page)),
  more && h('tr', { class: 'group' }, h('td', { colspan: '4' }, more))];
}

export function render(data, page) {
  const now = at(data.now);
  const scale = scaleOf(now);
  const rest = [...new Set(data.objects.map((o) => o.kind))]
    .filter((k) => !GROUPS.some(([g]) => g === k)).map((k) => [k, k]);
  const objects = data.objects.filter((o) =>
    (state === 'all' || o.state === state) &&
    o.key.toLowerCase().includes(filter.toLowerCase()));
  const rows = [...GROUPS, ...rest].flatMap((g) =>
    groupRows(g, objects, scale, now, page));
  return h('section', { class: 'card' }, h('h2', null, 'Cached objects'),
    h('p', { class: 'legend' },
      [['life good', 'from issue to nextUpdate'], ['due', 'next refresh'],
        ['now', 'today']].map(([c, text]) => h('span', { class: 'entry' },
        h('span', { class: `key ${c}` }), text))),
    tools(data.objects, page),
    rows.length === 0 ? empty('No such object is held.')
      : h('div', { class: 'scroll' }, h('table', { class: 'timeline' },
        h('caption', { class: 'hidden' }, 'Objects from issue to nextUpdate'),
        h('thead', null, h('tr', null,
          h('th', { scope: 'col', class: 'object' }, 'Object'),
          h('th', { scope: 'col', class: 'state' }, 'State'),
          h('th', { scope: 'col', class: 'lives' },
            h('span', { class: 'hidden' }, 'Life'), axis(scale, now)),
          h('th', { scope: 'col', class: 'end' }, 'Ends'))),
        h('tbody', null, rows))));
}
