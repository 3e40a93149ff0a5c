// Which evaluation number each scope gets, by which rule, and what every
// other number would do to the platforms: the impact matrix.

import { get, getTagged } from './api.js';
import { button, byId, chip, empty, h, plural, shortly, table } from './dom.js';
import { at, day, when } from './time.js';
import { changeOpen } from './change.js';

export const title = 'Baseline';
const MATRIX_ROWS = 24; // before more are asked for
const RULE_ROWS = 20;

let picked = null; // "fmspc/tee/number" whose details are shown
let find = ''; // part of an FMSPC
let only = 'all'; // or 'fall', 'known'

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

function ruleRow(data, k, scope, rule, page) {
  return h('tr', null,
    h('th', { scope: 'row' }, scopeText(scope)),
    h('td', null, ruleText({ ...rule, on_retire: undefined })),
    h('td', null, rule?.on_retire ?? '–'),
    h('td', null, rule?.from ?? '–'),
    h('td', { class: 'act' }, button('Change …', () => changeOpen(data,
      { scope, rule }, page), { 'data-key': `rule-${k}`,
      'aria-label': `Change the rule of ${scopeText(scope)}` }),
    clearButton(data, rule, { scope }, `clear-${k}`, scopeText(scope), page)));
}

// What the configuration says cannot be taken back here.
function clearButton(data, rule, start, key, name, page) {
  return rule?.from !== 'run-time' ? null : [' ', button('Clear …',
    () => changeOpen(data, { verb: 'clear', ...start }, page),
    { 'data-key': key, 'aria-label': `Clear the rule of ${name}` })];
}

// A chip is not named in clear, but two of them are told apart.
function amdRow(data, a, page) {
  const name = `AMD ${a.product}${a.chip ? `, chip ${a.chip.slice(0, 4)}…`
    : ''}`;
  const newest = a.tcb === 'auto';
  const of = { product: a.product, ...(a.chip ? { chip: a.chip } : {}) };
  return h('tr', null, h('th', { scope: 'row' }, name),
    h('td', null, newest ? 'none demanded, the newest served'
      : ['least TCB ', h('code', null, a.tcb)]),
    h('td', null, '–'), h('td', null, a.from ?? '–'),
    h('td', { class: 'act' }, newest ? null : button('Demand none …',
      () => changeOpen(data, { verb: 'follow', amd: { ...of,
        follow: 'standard' } }, page),
      { 'data-key': `amd-none-${name}`,
        'aria-label': `Demand no least TCB of ${name}` }),
    clearButton(data, a, { amd: of }, `amd-clear-${name}`, name, page)));
}

function rulesCard(data, page) {
  const { rules } = data.baseline;
  const rows = [['', {}, rules.default],
    ...Object.entries(rules.fmspc ?? {}).map(([k, v]) =>
      [k, { fmspc: k }, v]),
    ...Object.entries(rules.listen ?? {}).map(([k, v]) =>
      [k, { listen: k }, v])];
  const { some, more } = shortly('rules', [...rows.map((r) =>
    ruleRow(data, ...r, page)), ...(rules.amd ?? []).map((a) =>
    amdRow(data, a, page))], RULE_ROWS, page);
  return h('section', { class: 'card', 'aria-labelledby': 'rules' },
    h('div', { class: 'headline' }, h('h2', { id: 'rules' }, 'Rules'),
      h('span', { class: 'muted' },
        data.baseline.revision ? `revision ${data.baseline.revision}`
          : 'as configured'),
      button('Roll back …', () => changeOpen(data, { verb: 'rollback' }, page),
        { 'data-key': 'rollback', disabled: !data.baseline.revision })),
    table('Rules', ['Scope', 'Rule', 'When its number is retired', 'From',
      ''], some), more);
}

// --- what is served ---------------------------------------------------

function numberFacts(data, tee, number) {
  return data.baseline.numbers?.[tee]?.find((n) => n.number === number);
}

// What is the same as for "any other" FMSPC is no row of its own.
function servedRows(list) {
  const plain = new Map(list.filter((e) => !e.fmspc && !e.listen)
    .map((e) => [e.tee, e]));
  const like = (e) => {
    const p = plain.get(e.tee);
    return e.fmspc && !e.listen && p && p.number === e.number &&
      p.rule === e.rule && p.warning === e.warning && p.held === e.held;
  };
  const rest = { sgx: 0, tdx: 0 };
  for (const e of list) if (like(e)) rest[e.tee]++;
  return { rows: list.filter((e) => !like(e)), rest };
}

function effectiveCard(data, now, page) {
  const { rows: all, rest } = servedRows(data.baseline.effective);
  const { some, more } = shortly('served', all, RULE_ROWS, page);
  const other = (e) => (e.listen ? 'all'
    : `any other (${rest[e.tee]} ${rest[e.tee] === 1 ? 'FMSPC' : 'FMSPCs'})`);
  return h('section', { class: 'card', 'aria-labelledby': 'effective' },
    h('h2', { id: 'effective' }, 'Served now'),
    all.length === 0 ? empty('No TCB info is held yet.')
      : table('Numbers served', ['Listener', 'TEE', 'FMSPC', 'Number', 'Rule',
        'Recovery', 'First to end', ''],
      some.map((e) => {
        const facts = numberFacts(data, e.tee, e.number);
        return h('tr', null, h('td', null, e.listen ?? 'any'),
          h('td', null, e.tee.toUpperCase()),
          h('th', { scope: 'row' }, e.fmspc ?? other(e)),
          h('td', null, e.number || '–'),
          h('td', null, e.rule ?? '–'),
          h('td', null, day(facts?.recovered_at)),
          h('td', null, when(e.next_update, now)),
          h('td', null, e.held ? chip('warn', 'held on') : null, ' ',
            e.warning ? chip('warn', e.warning) : null));
      })), more);
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
        byId('impact-details')?.scrollIntoView({ block: 'nearest' });
      } }, bar(row.statuses), cellWords(scope, row)));
}

const falls = (scope) => Math.max(0, ...scope.numbers.map((n) => n.fall));

// Of many, those that would lose most come first.
function matrixScopes(data) {
  const all = data.impact.fmspcs;
  const some = all.filter((s) => s.fmspc.includes(find.toUpperCase()) &&
    (only === 'all' || (only === 'fall' ? falls(s) > 0 : s.platforms > 0)));
  if (all.length > MATRIX_ROWS) {
    some.sort((a, b) => falls(b) - falls(a) || b.platforms - a.platforms ||
      (a.fmspc < b.fmspc ? -1 : a.fmspc > b.fmspc ? 1 : 0));
  }
  return some;
}

function matrixTools(data, page) {
  const all = data.impact.fmspcs;
  if (all.length <= MATRIX_ROWS) return null;
  const choices = [['all', `all ${all.length}`], ['fall',
    `would fall ${all.filter((s) => falls(s) > 0).length}`], ['known',
    `with platforms ${all.filter((s) => s.platforms > 0).length}`]];
  return h('div', { class: 'tools' },
    h('label', null, 'Find ', h('input', { type: 'search', value: find,
      placeholder: 'part of an FMSPC', 'data-key': 'find-fmspc',
      oninput: (e) => {
        find = e.target.value.trim();
        page.redraw();
      } })),
    h('div', { class: 'choices', role: 'group', 'aria-label': 'Which FMSPCs' },
      choices.map(([name, text]) => button(text, () => {
        only = name;
        page.redraw();
      }, { 'aria-pressed': String(name === only),
        'data-key': `fmspcs-${name}` }))));
}

function matrixTable(data, scopes, numbers, page) {
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
  const rows = scopes.map((scope) => h('tr', null,
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
  const { some, more } = shortly('matrix', matrixScopes(data), MATRIX_ROWS,
    page);
  return h('section', { class: 'card', 'aria-labelledby': 'impact' },
    h('h2', { id: 'impact' }, 'Impact'),
    h('p', { class: 'muted' }, `${plural(data.impact.platforms, 'platform')} ` +
      'known. Each column is an evaluation number; what it would make of ' +
      'the platforms against what is served now.'),
    numbers.length === 0
      ? empty('No platform is known, or no TCB info is held to judge by.')
      : [matrixTools(data, page), some.length === 0
        ? empty('No such FMSPC is known.')
        : matrixTable(data, some, numbers, page), more, legend(data),
      pickedCard(data, page)],
    missing.length > 0 ? h('p', { class: 'note warn' }, 'Not held, so not ' +
      `shown: ${missing.slice(0, 5).map((m) => `${m.key} (${m.reason})`)
        .join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more`
        : ''}.`) : null,
    data.impact.left > 0 ? h('p', { class: 'muted' },
      `${plural(data.impact.left, 'TCB info')} more to be fetched before ` +
      'all of it can be shown.') : null);
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
    effectiveCard(data, now, page)];
}
