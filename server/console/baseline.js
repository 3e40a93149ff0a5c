// Which evaluation number each scope gets, by which rule, and what every
// other number would do to the platforms: the impact matrix.

import { get, getTagged } from './api.js';
import { button, chip, empty, h, plural, table } from './dom.js';
import { at, day, when } from './time.js';
import { changeOpen } from './change.js';

export const title = 'Baseline';
let picked = null; // "fmspc/tee/number" whose details are shown

export async function load() {
  const [tagged, impact] = await Promise.all([getTagged('/v1/baseline'),
    get('/v1/baseline/impact')]);
  const { at: now, ...rest } = impact;
  return { baseline: tagged.doc, etag: tagged.etag, impact: rest, now };
}

// --- words ------------------------------------------------------------

export function ruleText(rule) {
  if (!rule) return '–';
  let text = rule.follow ? `follow ${rule.follow}` : '–';
  if (rule.lag_days !== undefined) {
    text = `lag ${plural(rule.lag_days, 'day')}`;
  }
  if (rule.pin !== undefined) text = `pin ${rule.pin}`;
  return rule.on_retire === 'advance' ? `${text}, then advance` : text;
}

export function scopeText(scope) {
  if (scope.fmspc) return `FMSPC ${scope.fmspc}`;
  if (scope.listen) return `listener ${scope.listen}`;
  return 'everything else';
}

// From well to ill: class of the bar's part, and how it counts.
const STATUS = { UpToDate: 'good', SWHardeningNeeded: 'soft',
  ConfigurationNeeded: 'soft2', ConfigurationAndSWHardeningNeeded: 'soft3',
  TDRelaunchAdvised: 'warn2', TDRelaunchAdvisedConfigurationNeeded: 'warn2',
  OutOfDate: 'warn', OutOfDateConfigurationNeeded: 'warn3', Revoked: 'bad',
  NotSupported: 'bad2', Unknown: 'none' };

const entries = (statuses) => Object.keys(STATUS)
  .filter((s) => statuses?.[s] > 0).map((s) => [s, statuses[s]]);

export function counts(statuses) {
  const all = entries(statuses);
  if (all.length === 0) return h('span', { class: 'muted' }, 'none');
  return h('span', { class: 'counts' }, all.map(([s, n]) =>
    h('span', { class: `count ${STATUS[s]}` }, `${n} ${s}`)));
}

export function bar(statuses) {
  const all = entries(statuses);
  const sum = all.reduce((n, [, m]) => n + m, 0);
  return h('span', { class: 'bar-of', 'aria-hidden': 'true' },
    all.map(([s, n]) => h('span', { class: `part ${STATUS[s]}`,
      title: `${n} ${s}`, style: { width: `${n / sum * 100}%` } })));
}

// --- rules ------------------------------------------------------------

function rulesCard(data, page) {
  const { rules } = data.baseline;
  const rows = [['', {}, rules.default],
    ...Object.entries(rules.fmspc ?? {}).map(([k, v]) =>
      [k, { fmspc: k }, v]),
    ...Object.entries(rules.listen ?? {}).map(([k, v]) =>
      [k, { listen: k }, v])];
  const amd = rules.amd ?? [];
  return h('section', { class: 'card', 'aria-labelledby': 'rules' },
    h('div', { class: 'headline' }, h('h2', { id: 'rules' }, 'Rules'),
      h('span', { class: 'muted' },
        data.baseline.revision ? `revision ${data.baseline.revision}`
          : 'as configured'),
      button('Roll back …', () => changeOpen(data, { verb: 'rollback' }, page),
        { 'data-key': 'rollback', disabled: !data.baseline.revision })),
    table('Rules', ['Scope', 'Rule', 'When its number is retired', 'From',
      ''], [...rows.map(([k, scope, rule]) => h('tr', null,
      h('th', { scope: 'row' }, scopeText(scope)),
      h('td', null, ruleText({ ...rule, on_retire: undefined })),
      h('td', null, rule?.on_retire ?? '–'),
      h('td', null, rule?.from ?? '–'),
      h('td', { class: 'act' }, button('Change …', () => changeOpen(data,
        { scope, rule }, page), { 'data-key': `rule-${k}`,
        'aria-label': `Change the rule of ${scopeText(scope)}` })))),
    ...amd.map((a) => h('tr', null,
      h('th', { scope: 'row' }, `AMD ${a.product}`,
        a.chip ? ' (one chip)' : ''),
      h('td', null, a.tcb === 'newest' || a.tcb === 'auto' ||
        a.newest ? 'newest TCB' : ['least TCB ', h('code', null, a.tcb)]),
      h('td', null, '–'), h('td', null, a.from ?? '–'), h('td', null)))]));
}

// --- what is served ---------------------------------------------------

function numberFacts(data, tee, number) {
  return data.baseline.numbers?.[tee]?.find((n) => n.number === number);
}

function effectiveCard(data, now) {
  const list = data.baseline.effective;
  return h('section', { class: 'card', 'aria-labelledby': 'effective' },
    h('h2', { id: 'effective' }, 'Served now'),
    list.length === 0 ? empty('No TCB info is held yet.')
      : table('Numbers served', ['Listener', 'TEE', 'FMSPC',
        { text: 'Number', class: 'num' }, 'Rule', 'Recovery', 'Next update',
        ''],
      list.map((e) => {
        const facts = numberFacts(data, e.tee, e.number);
        return h('tr', null, h('td', null, e.listen ?? 'any'),
          h('td', null, e.tee.toUpperCase()),
          h('th', { scope: 'row' }, e.fmspc ?? 'any other'),
          h('td', { class: 'num' }, e.number || '–'),
          h('td', null, e.rule ?? '–'),
          h('td', null, day(facts?.recovered_at)),
          h('td', null, when(e.next_update, now)),
          h('td', null, e.held ? chip('warn', 'held on') : null, ' ',
            e.warning ? chip('warn', e.warning) : null));
      })));
}

// --- the matrix -------------------------------------------------------

const cellKey = (scope, n) => `${scope.fmspc}/${scope.tee}/${n}`;

function cellWords(scope, row) {
  if (row.fall > 0) {
    return h('span', { class: 'fall' }, `▼ ${row.fall} would fall`);
  }
  return h('span', { class: 'muted' }, scope.platforms === 0
    ? scope.tee === 'tdx' ? 'no quote seen yet' : 'no platform'
    : row.effective ? 'served now' : 'none falls');
}

function cell(scope, row, page) {
  if (!row) {
    return h('td', { class: 'cell' },
      h('span', { class: 'muted', title: 'not held' }, '–'));
  }
  const key = cellKey(scope, row.number);
  const words = entries(row.statuses).map(([s, n]) => `${n} ${s}`).join(', ');
  return h('td', { class: `cell${row.effective ? ' effective' : ''}` },
    h('button', { type: 'button', class: 'cellbutton', 'data-key': key,
      'aria-pressed': String(picked === key),
      'aria-label': `${scope.fmspc} ${scope.tee} under ${row.number}: ` +
        `${words || 'no platform'}; ${row.fall} would fall`,
      onclick: () => {
        picked = picked === key ? null : key;
        page.redraw();
      } }, bar(row.statuses), cellWords(scope, row)));
}

function matrixTable(data, numbers, page) {
  const roles = new Map();
  for (const s of data.impact.fmspcs) {
    for (const n of s.numbers) {
      if (!roles.has(n.number) || n.role !== 'candidate') {
        roles.set(n.number, n);
      }
    }
  }
  const head = numbers.map((n) => h('th', { scope: 'col' }, String(n), h('br'),
    h('span', { class: 'muted' }, roles.get(n)?.role ?? '', ' ',
      day(roles.get(n)?.date ?? roles.get(n)?.tcb_date))));
  const rows = data.impact.fmspcs.map((scope) => h('tr', null,
    h('th', { scope: 'row' }, scope.fmspc, h('br'), h('span',
      { class: 'muted' }, `${scope.tee.toUpperCase()}, ` +
      `${plural(scope.platforms, 'platform')}`)),
    numbers.map((n) => cell(scope,
      scope.numbers.find((r) => r.number === n), page))));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region',
    'aria-label': 'Impact matrix' }, h('table', { class: 'matrix' },
    h('caption', { class: 'hidden' }, 'Platforms by status under each number'),
    h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Platforms'),
      head)), h('tbody', null, rows)));
}

function shortText(s) {
  const part = s.component ? `${s.part} component ${s.component}` : s.part;
  return h('li', null, part, ': has ', h('b', null, s.has), ', needs ',
    h('b', null, s.needs));
}

function example(e) {
  return h('li', { class: 'example' },
    h('p', null, h('b', null, plural(e.platforms, 'platform')), ': ',
      e.now === e.then ? e.then : `${e.now} → ${e.then}`,
      e.refetch_helps ? [' ', chip('soft', 'new certificates mend it',
        'The platform itself is up to date; its certificates are not.')]
        : null),
    h('p', { class: 'muted' }, 'such as ', e.names.map((n, i) =>
      [i > 0 ? ', ' : '', h('code', null, n)])),
    e.short.length > 0 ? [h('p', null, 'To be good again:'),
      h('ul', { class: 'shorts' }, e.short.map(shortText))] : null,
    e.advisories.length > 0
      ? h('p', { class: 'advisories' }, e.advisories.map((a) =>
        chip('none', a))) : null);
}

function pickedCard(data, page) {
  for (const scope of data.impact.fmspcs) {
    const row = scope.numbers.find((n) => cellKey(scope, n.number) === picked);
    if (!row) continue;
    const up = row.number > (scope.effective ?? 0);
    const which = `${scope.fmspc}, ${scope.tee.toUpperCase()}`;
    return h('div', { class: 'details', id: 'impact-details' },
      h('div', { class: 'headline' },
        h('h3', null, `Number ${row.number} for ${which}`),
        button(up ? 'Promote to it …' : 'Pin it …', () => changeOpen(data,
          { verb: up ? 'promote' : 'pin', scope: { fmspc: scope.fmspc },
            number: row.number }, page),
        { 'data-key': 'promote', class: 'primary',
          disabled: row.effective })),
      h('p', null, counts(row.statuses)),
      row.fall > 0 ? h('p', { class: 'note warn' },
        `${plural(row.fall, 'platform')} would fall out of date.`,
        row.refetch_helps > 0 ? ` New certificates would mend ` +
          `${row.refetch_helps} of them.` : '') : null,
      row.examples.length === 0
        ? h('p', { class: 'muted' }, scope.platforms > 0
          ? 'Every platform would be in good standing.'
          : 'No platform to judge. What a TDX module can prove is learned ' +
            'from the quotes that are verified here.')
        : h('ul', { class: 'examples' }, row.examples.map(example)));
  }
  return h('p', { class: 'muted' }, 'Choose a cell to see what the ' +
    'platforms lack.');
}

function impactCard(data, page) {
  const numbers = [...new Set(data.impact.fmspcs.flatMap((s) =>
    s.numbers.map((n) => n.number)))].sort((a, b) => a - b);
  const missing = data.impact.missing ?? [];
  return h('section', { class: 'card', 'aria-labelledby': 'impact' },
    h('h2', { id: 'impact' }, 'Impact'),
    h('p', { class: 'muted' }, `${plural(data.impact.platforms, 'platform')} ` +
      'known. Each column is an evaluation number; what it would make of ' +
      'the platforms against what is served now.'),
    numbers.length === 0
      ? empty('No platform is known, or no TCB info is held to judge by.')
      : [matrixTable(data, numbers, page), legend(data), pickedCard(data, page)],
    missing.length > 0 ? h('p', { class: 'note warn' }, 'Not held, so not ' +
      `shown: ${missing.map((m) => `${m.key} (${m.reason})`).join(', ')}.`)
      : null);
}

function legend(data) {
  const used = new Set(data.impact.fmspcs.flatMap((s) =>
    s.numbers.flatMap((n) => entries(n.statuses).map(([name]) => name))));
  return h('p', { class: 'legend' }, Object.keys(STATUS)
    .filter((s) => used.has(s)).map((s) => h('span', { class: 'entry' },
      h('span', { class: `key part ${STATUS[s]}` }), s)));
}

// --- AMD ---------------------------------------------------------------

function lacks(examples) {
  if (examples.length === 0) return '–';
  return h('ul', { class: 'plain' }, examples.map((e) => h('li', null,
    h('code', null, e.name), ' ', e.short.map((s, i) => [i > 0 ? ', ' : '',
      s.part, ' ', h('b', null, s.has), ' < ', h('b', null, s.needs)]))));
}

function chipsCard(data, page) {
  const products = data.impact.amd ?? [];
  if (products.length === 0) return null;
  return h('section', { class: 'card', 'aria-labelledby': 'chips' },
    h('h2', { id: 'chips' }, 'AMD chips'),
    h('p', { class: 'muted' }, 'Each row is a TCB that chips have: as the ' +
      'least one demanded of their product, who would be below it.'),
    table('AMD chips by least TCB', ['Product', 'Least TCB', 'Meet it',
      'Below', 'Would fall', 'They lack', ''],
    products.flatMap((p) => p.candidates.map((c) => h('tr', null,
      h('th', { scope: 'row' }, p.product),
      h('td', { class: 'whole' }, h('code', null, c.tcb), ' ',
        c.effective ? chip('soft', 'demanded now') : null),
      h('td', null, c.meets), h('td', null, c.below),
      h('td', null, c.fall > 0 ? h('span', { class: 'fall' }, c.fall) : 0),
      h('td', { class: 'wide' }, lacks(c.examples)),
      h('td', { class: 'act' }, button('Demand it …', () => changeOpen(data,
        { verb: 'pin', amd: { product: p.product, tcb: c.tcb } }, page),
      { 'data-key': `amd-${p.product}-${c.tcb}`, disabled: c.effective,
        'aria-label': `Demand ${c.tcb} of ${p.product}` })))))));
}

export function render(data, page) {
  const now = at(data.now);
  return [impactCard(data, page), chipsCard(data, page),
    rulesCard(data, page),
    effectiveCard(data, now)];
}
