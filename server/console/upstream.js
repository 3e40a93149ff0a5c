// Whom larder asks, and how that goes.

import { get } from './api.js';
import { chip, empty, h, plural, shortly, table } from './dom.js';
import { at, away, span, when } from './time.js';

export const title = 'Upstream';

export async function load() {
  const status = await get('/v1/status');
  return { upstream: status.upstream, missing: status.storage.missing,
    now: status.now };
}

function stateChip(o) {
  const kind = o.state === 'up' ? 'good' : o.state === 'down' ? 'bad' : 'warn';
  return chip(kind, o.state);
}

function pause(o) {
  if (o.asked_again_in_s > 0) return `asked again in ${o.asked_again_in_s} s`;
  if (o.paused_for_s > 0) return `paused for ${o.paused_for_s} s`;
  return '–';
}

function failure(f) {
  if (!f) return h('span', { class: 'muted' }, '–');
  const times = f.failures > 1 ? `, ${f.failures} times` : '';
  return [h('code', null, f.reason), times, f.text ? `: ${f.text}` : ''];
}

function origins(list, now) {
  if (list.length === 0) return empty('Nobody has been asked yet.');
  return table('Upstream servers',
    ['Server', 'State', 'Since', 'In progress', 'Waiting', 'Pause',
      'Last error'],
    list.map((o) => h('tr', null, h('th', { scope: 'row' }, o.origin),
      h('td', null, stateChip(o)), h('td', null, when(o.down_since ?? o.failing_since, now)),
      h('td', null, o.asking), h('td', null, o.queued),
      h('td', null, pause(o)), h('td', null, failure(o.last_error)))));
}

function flights(all, page) {
  if (all.length === 0) return empty('No fetch in progress.');
  const { some: list, more } = shortly('flights', all, 20, page);
  return [table('Fetches in progress', ['Object', 'State', 'For', 'From',
    'Requests waiting'],
    list.map((f) => h('tr', null, h('th', { scope: 'row' }, f.item),
      h('td', null, f.state), h('td', null, span(f.age_ms / 1000)),
      h('td', null, f.origin ?? '–'),
      h('td', null, f.waiters ?? 0)))), more];
}

function failing(all, now, page) {
  if (!all || all.length === 0) return null;
  const { some: list, more } = shortly('failing', all, 20, page);
  return [table('Refreshes that fail', ['Object', 'Held', 'Times',
    'Tried again', 'Reason'],
  list.map((f) => h('tr', null, h('th', { scope: 'row' }, f.item),
    h('td', null, f.held ? chip('good', 'held') : chip('warn', 'no')),
    h('td', null, f.fails), h('td', null, when(f.next_at, now)),
    h('td', { class: 'wide' }, h('code', null, f.reason),
      f.text ? `: ${f.text}` : '')))), more];
}

function missing(map, now, page) {
  const all = Object.entries(map);
  if (all.length === 0) return empty('All that was asked for is held.');
  const { some: rows, more } = shortly('missing', all, 20, page);
  return [table('Asked for and not held', ['Object', 'Last tried', 'Reason'],
    rows.map(([key, f]) => h('tr', null, h('th', { scope: 'row' }, key),
      h('td', null, when(f.at, now)), h('td', null, failure(f))))), more];
}

export function render({ upstream, missing: map, now: text }, page) {
  const now = at(text);
  const due = upstream.due;
  return [
    h('section', { class: 'card' }, h('h2', null, 'Servers'),
      origins(upstream.origins, now)),
    h('section', { class: 'card' }, h('h2', null, 'Refreshing'),
      h('p', null, `${plural(due.items, 'object')} on the plan, `,
        `${due.running} being refreshed, the next ${away(due.next_at, now)}; `,
        `${plural(upstream.n_waiters, 'request')} waiting for a fetch; `,
        `${upstream.refusals_kept} answers “there is none” remembered.`),
      failing(due.failing, now, page), flights(upstream.flights, page)),
    h('section', { class: 'card' }, h('h2', null, 'Not held'),
      missing(map, now, page))];
}
