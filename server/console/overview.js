// What an operator wants to know first: does anything need me?

import { get } from './api.js';
import { chip, h, plural, slashes } from './dom.js';
import { at, away, when } from './time.js';

export const title = 'Overview';
const SOON_S = 3 * 86400;

export async function load() {
  const [status, refusals, baseline] = await Promise.all([
    get('/v1/status'), get('/v1/refusals'),
    get('/v1/baseline').catch((e) => {
      if (e.status === 401) throw e;
      return null;
    })]);
  return { status, refusals: refusals.refusals, baseline };
}

const count = (objects, state) =>
  objects.filter((o) => o.state === state).length;

// --- what needs attention ---------------------------------------------

function databaseNotes(db) {
  const notes = [];
  if (db.read_only) {
    notes.push(['bad', 'The database is read-only: nothing new is kept.']);
  } else if (db.last_write !== 'ok') {
    notes.push(['bad', `The last write to the database failed: ${db.text}`]);
  }
  return notes;
}

function objectNotes(objects, now) {
  const notes = [];
  for (const o of objects) {
    const end = at(o.next_update);
    if (o.state === 'gone') {
      notes.push(['bad', `${o.key} is past every bound and not served.`,
        '#/objects']);
    } else if (o.state === 'stale') {
      notes.push(['warn', `${o.key} ended ${away(o.next_update, now)} and is ` +
        'served with a warning.', '#/objects']);
    } else if (o.last_failure && end !== null && end - now < SOON_S) {
      notes.push(['warn', `${o.key} ends ${away(o.next_update, now)} and ` +
        `could not be refreshed: ${o.last_failure.reason}.`, '#/objects']);
    }
    if (o.revocation_unchecked) {
      notes.push(['warn', `${o.key} was admitted without a root CRL.`,
        '#/objects']);
    }
  }
  return notes;
}

function upstreamNotes(upstream) {
  return upstream.origins.filter((o) => o.state !== 'up').map((o) =>
    ['bad', `${o.origin} is ${o.state}` +
      `${o.last_error ? `: ${o.last_error.reason}` : ''}.`, '#/upstream']);
}

const WARNINGS = {
  newer: 'something newer is out, it will be retired',
  unknown: 'Intel has published no such number',
  waiting: 'not all of the number that the rule wants is held yet',
  retired: 'Intel signs it no longer',
  held: 'retired and past its nextUpdate, served with a warning',
  advanced: 'the number that the rule names is gone, this one has its place',
};

// Those of FMSPCs that say nothing of their own are left out by the server.
function baselineNotes(baseline, now) {
  return (baseline?.warnings ?? []).map((e) => ['warn',
    `${e.listen ? `Listener ${e.listen}` : e.fmspc ? `FMSPC ${e.fmspc}`
      : 'The baseline'}, ${e.tee.toUpperCase()}: number ${e.number}, ` +
    `${WARNINGS[e.warning] ?? e.warning}` +
    `${e.until ? `; over ${away(e.until, now)}` : ''}.`, '#/baseline']);
}

function attention(data, now) {
  const { status } = data;
  const notes = [...databaseNotes(status.storage.database),
    ...upstreamNotes(status.upstream), ...baselineNotes(status.baseline, now),
    ...objectNotes(status.storage.objects, now)];
  for (const [key, f] of Object.entries(status.storage.missing)) {
    notes.push(['none', `${key} was asked for and is not held: ` +
      `${f.reason}.`, '#/objects']);
  }
  const told = new Set(status.storage.objects.filter((o) => o.last_failure)
    .map((o) => o.key));
  for (const f of status.upstream.due.failing ?? []) {
    if (told.has(f.item) || f.item in status.storage.missing) continue;
    notes.push(['none', `${f.item} cannot be refreshed: ${f.reason}.`,
      '#/upstream']);
  }
  const order = { bad: 0, warn: 1, none: 2 };
  return notes.sort((a, b) => order[a[0]] - order[b[0]]);
}

const WORD = { bad: 'Broken', warn: 'Look', none: 'Note' };

function attentionCard(notes) {
  const rows = notes.slice(0, 12).map(([kind, text, link]) => h('li', null,
    chip(kind, WORD[kind]),
    h('span', null, link ? h('a', { href: link }, text) : text)));
  if (notes.length > 12) {
    rows.push(h('li', { class: 'muted' }, `and ${notes.length - 12} more`));
  }
  return h('section', { class: 'card', 'aria-labelledby': 'attention' },
    h('h2', { id: 'attention' }, 'Needs attention'),
    notes.length === 0
      ? h('p', { class: 'allwell' }, chip('good', 'Well'),
        ' Everything held is fresh, and every upstream answers.')
      : h('ul', { class: 'notes' }, rows));
}

// --- tiles ------------------------------------------------------------

function tile(name, value, detail, link) {
  return h('a', { class: 'tile card', href: link },
    h('span', { class: 'name' }, name),
    h('span', { class: 'value' }, value),
    h('span', { class: 'muted' }, slashes(detail)));
}

function objectTile(objects) {
  const parts = ['fresh', 'due', 'stale', 'gone']
    .map((s) => [s, count(objects, s)]).filter(([, n]) => n > 0)
    .map(([s, n]) => `${n} ${s}`);
  return tile('Objects', objects.length, parts.join(', ') || 'none held',
    '#/objects');
}

function endTile(objects, now) {
  const next = objects.filter((o) => o.next_update)
    .sort((a, b) => (a.next_update < b.next_update ? -1 : 1))[0];
  if (!next) return tile('First to end', '–', 'nothing has an end',
    '#/objects');
  return tile('First to end', away(next.next_update, now), next.key,
    '#/objects');
}

function upstreamTile(upstream, now) {
  const all = upstream.origins.length;
  const up = upstream.origins.filter((o) => o.state === 'up').length;
  return tile('Upstreams', all === 0 ? '–' : `${up} of ${all} up`,
    all === 0 ? 'none asked yet'
      : `${plural(upstream.n_flights, 'fetch', 'fetches')} now, next ` +
        `refresh ${away(upstream.due.next_at, now)}`, '#/upstream');
}

function platformTile(storage) {
  const r = storage.registrations;
  return tile('Platforms', storage.platforms.stored,
    `${r.new} waiting, ${r.not_available} without certificates`,
    '#/baseline');
}

function baselineTile(baseline) {
  if (!baseline) return null;
  const rules = Object.keys(baseline.rules.fmspc ?? {}).length +
    Object.keys(baseline.rules.listen ?? {}).length;
  const numbers = [...new Set(baseline.effective.map((e) => e.number)
    .filter(Boolean))].sort((a, b) => a - b);
  return tile('Baseline', numbers.join(', ') || '–',
    rules === 0 ? 'one rule for all' : `${plural(rules, 'rule')} of its own`,
    '#/baseline');
}

function refusalTile(refusals, now) {
  const gate = refusals.filter((r) => r.where === 'gate');
  return tile('Refused at the gate',
    gate.reduce((n, r) => n + r.count, 0),
    gate.length === 0 ? 'nothing since the start'
      : `last ${away(gate[0].at, now)}: ${gate[0].reason}`, '#/refusals');
}

// --- all of it --------------------------------------------------------

function about(status, now) {
  const db = status.storage.database;
  const rows = [['Version', status.version], ['Mode', status.mode],
    ['Server’s time', when(status.now, now)],
    ['Connections', status.connections], ['Database', db.where],
    ['Policies', status.storage.policies]];
  rows[2][1] = h('time', { datetime: status.now },
    `${status.now.slice(0, 10)} ${status.now.slice(11, 19)} UTC`);
  return h('section', { class: 'card', 'aria-labelledby': 'about' },
    h('h2', { id: 'about' }, 'This larder'),
    h('dl', null, rows.map(([k, v]) => [h('dt', null, k),
      h('dd', null, v)])));
}

export function render(data) {
  const { status, refusals, baseline } = data;
  const now = at(status.now);
  const objects = status.storage.objects;
  return [
    h('div', { class: 'tiles' }, objectTile(objects), endTile(objects, now),
      upstreamTile(status.upstream, now), platformTile(status.storage),
      baselineTile(baseline), refusalTile(refusals, now)),
    attentionCard(attention(data, now)), about(status, now)];
}
