// Changing the baseline: what, why, what it would do, and only then the
// change itself, made from the revision that was looked at.

import { post } from './api.js';
import { byId, button, h, plural } from './dom.js';
import { bar, counts, scopeText } from './baseline.js';

const VERBS = {
  follow: 'Follow Intel',
  lag: 'Lag behind',
  pin: 'Pin a number',
  promote: 'Promote to a number',
  clear: 'Take back a rule',
  rollback: 'Roll back the last change',
};

const LEAD = {
  follow: 'Serve the number that Intel calls standard, or the early one.',
  lag: 'Serve the newest number whose recovery event is so many days old.',
  pin: 'Serve this number until somebody changes it.',
  promote: 'Move to a newer number. Refused when too many platforms would ' +
    'fall out of date.',
  clear: 'Take back a rule that was set here: what the configuration says ' +
    'applies again.',
  rollback: 'Put the rules back to what they were before the last change.',
};

function numbersOf(data) {
  const all = new Map();
  for (const list of Object.values(data.baseline.numbers ?? {})) {
    for (const n of list) all.set(n.number, n);
  }
  for (const scope of data.impact?.fmspcs ?? []) {
    for (const n of scope.numbers) if (!all.has(n.number)) all.set(n.number, n);
  }
  return [...all.values()].sort((a, b) => b.number - a.number);
}

function field(label, input, hint) {
  return h('div', { class: 'field' }, h('label', { for: input.id }, label),
    input, hint ? h('p', { class: 'muted' }, hint) : null);
}

function select(id, options, value, onchange) {
  const node = h('select', { id, onchange }, options.map(([v, text]) =>
    h('option', { value: v, selected: String(v) === String(value) }, text)));
  return node;
}

function ruleOf(rules, scope) {
  if (scope.fmspc) return rules.fmspc?.[scope.fmspc];
  if (scope.listen) return rules.listen?.[scope.listen];
  return rules.default;
}

// --- the form ---------------------------------------------------------

class Change {
  constructor(data, start, page) {
    this.data = data;
    this.page = page;
    this.verb = start.verb ?? 'follow';
    this.scope = start.scope ?? {};
    this.amd = start.amd ?? null; // { product, tcb }: a least TCB instead
    this.number = start.number ?? start.rule?.pin ??
      numbersOf(data)[0]?.number;
    this.days = start.rule?.lag_days ?? 60;
    this.follow = start.rule?.follow === 'early' ? 'early' : 'standard';
    this.retire = start.rule?.on_retire ?? '';
    this.reason = '';
    this.force = false;
    this.shown = null; // the preview: { body, impact } of what was asked
    this.error = null;
    this.busy = false;
    if (!start.verb && start.rule?.pin !== undefined) this.verb = 'pin';
    if (!start.verb && start.rule?.lag_days !== undefined) this.verb = 'lag';
  }

  body() {
    const b = { ...this.scope, reason: this.reason.trim() };
    if (this.amd) {
      return { ...this.amd, reason: b.reason,
        ...(this.force ? { force: true } : {}) };
    }
    if (this.verb === 'follow') b.follow = this.follow;
    if (this.verb === 'lag') b.days = Number(this.days);
    if (this.verb === 'pin' || this.verb === 'promote') {
      b.number = Number(this.number);
    }
    if (this.retire && this.ruled()) b.on_retire = this.retire;
    if (this.verb === 'rollback') {
      delete b.fmspc;
      delete b.listen;
    }
    if (this.force) b.force = true;
    return b;
  }

  // The change is a rule, not the end of one.
  ruled() {
    return this.verb !== 'rollback' && this.verb !== 'clear';
  }

  // What was previewed is what would be done now.
  current() {
    return this.shown && !this.shown.refused &&
      this.shown.text === JSON.stringify([this.verb, this.body()]);
  }

  // For what is chosen.  While somebody types nothing is drawn anew, or the
  // caret and the next click would be lost.
  set(values) {
    Object.assign(this, values);
    this.draw();
  }

  choose(verb) {
    this.verb = verb;
    const scopes = this.scopes().map((s) => JSON.stringify(s));
    const held = scopes.includes(JSON.stringify(this.scope));
    this.set({ shown: null, force: false,
      scope: held ? this.scope : JSON.parse(scopes[0] ?? '{}') });
  }

  fields() {
    const rows = this.amd ? [this.chips()] : [];
    const numbers = numbersOf(this.data);
    if (this.amd) return [...rows, this.reasonField()];
    if (this.verb !== 'rollback') {
      rows.push(field('Where', this.scopeSelect()));
    }
    if (this.verb === 'follow') {
      rows.push(field('Which', select('c-follow', [['standard', 'standard'],
        ['early', 'early']], this.follow,
      (e) => this.set({ follow: e.target.value }))));
    } else if (this.verb === 'lag') {
      rows.push(field('Days', h('input', { id: 'c-days', type: 'number',
        min: '0', max: '3650', value: this.days,
        oninput: (e) => {
          this.days = e.target.value;
          this.buttons();
        } }),
      'Counted from the day of the recovery event.'));
    } else if (this.ruled()) {
      rows.push(field('Number', select('c-number', numbers.map((n) =>
        [n.number, `${n.number}${n.standard ? ', standard' : ''}` +
          `${n.early ? ', early' : ''}${n.signed === false
            ? ', no longer signed' : ''}`]), this.number,
      (e) => this.set({ number: e.target.value }))));
    }
    if (this.ruled()) {
      rows.push(field('When Intel retires it', select('c-retire', [
        ['', 'as before'], ['hold', 'hold: serve the last signed set on'],
        ['advance', 'advance: go to the oldest number still signed']],
      this.retire, (e) => this.set({ retire: e.target.value }))));
    }
    rows.push(this.reasonField());
    return rows;
  }

  reasonField() {
    return field('Reason', h('textarea', { id: 'c-reason', rows: '2',
      required: true, maxlength: '500',
      oninput: (e) => {
        this.reason = e.target.value;
        this.buttons();
      } }, this.reason), 'Kept with the change, for whoever comes after you.');
  }

  // Who would be below a least TCB.
  chips() {
    const { product, chip } = this.amd;
    const whose = `${chip ? 'this chip of ' : ''}${product}`;
    if (this.verb === 'follow') {
      return h('div', { class: 'field' }, h('p', null,
        `No least TCB will be demanded of ${whose}; guests get the ` +
        'certificate of the newest one.'));
    }
    if (this.verb === 'clear') {
      return h('div', { class: 'field' }, h('p', null,
        `What was set here for ${whose} is taken back: what the ` +
        'configuration says applies again.'));
    }
    const p = this.data.impact.amd.find((x) =>
      x.product === this.amd.product);
    const c = p.candidates.find((x) => x.tcb === this.amd.tcb);
    return h('div', { class: 'field' },
      h('p', null, `The least TCB demanded of ${p.product} will be `,
        h('code', null, c.tcb), '.'),
      c.below > 0 ? h('p', { class: 'note warn' },
        `${c.below} of ${plural(p.chips, 'chip')} would be below it.`)
        : h('p', { class: 'muted' }, `All ${p.chips} chips meet it.`));
  }

  // Those that a rule may be for; to be taken back, those that have one.
  scopes() {
    const { rules, effective } = this.data.baseline;
    const fmspcs = new Set([...Object.keys(rules.fmspc ?? {}),
      ...effective.map((e) => e.fmspc).filter(Boolean),
      ...(this.data.impact?.fmspcs ?? []).map((s) => s.fmspc)]);
    const listens = new Set([...Object.keys(rules.listen ?? {}),
      ...effective.map((e) => e.listen).filter(Boolean)]);
    const all = [{}, ...[...fmspcs].sort().map((fmspc) => ({ fmspc })),
      ...[...listens].map((listen) => ({ listen }))];
    return this.verb !== 'clear' ? all
      : all.filter((s) => ruleOf(rules, s)?.from === 'run-time');
  }

  scopeSelect() {
    return select('c-scope', this.scopes().map((s) => [JSON.stringify(s),
      s.fmspc || s.listen ? scopeText(s) : 'the default']),
    JSON.stringify(this.scope),
    (e) => this.set({ scope: JSON.parse(e.target.value) }));
  }

  // --- asking ---------------------------------------------------------

  async send(dry) {
    const body = this.body();
    this.busy = true;
    this.error = null;
    this.buttons();
    try {
      const answer = await post(`/v1/baseline/${this.verb}`,
        dry ? { ...body, dry_run: true } : body, this.data.etag);
      if (!dry) {
        this.done();
        return;
      }
      this.shown = { text: JSON.stringify([this.verb, body]),
        impact: answer.doc.impact };
    } catch (e) {
      this.failed(e);
    }
    this.busy = false;
    this.draw();
    byId(this.current() ? 'c-apply' : 'c-preview')?.focus();
  }

  failed(e) {
    if (e.status === 412) {
      this.error = 'Somebody else has changed the baseline meanwhile. Close ' +
        'this, look at what it is now, and begin again.';
    } else if (e.status === 409 && e.doc?.impact) {
      this.shown = { refused: true, impact: e.doc.impact };
      this.error = `Refused: too many ${this.amd ? 'chips' : 'platforms'} ` +
        'would fall out of date.';
    } else {
      this.error = e.reason ? `Refused (${e.reason}): ${e.message}`
        : e.message;
    }
  }

  done() {
    byId('dialog').close();
    byId('say').textContent = 'The baseline was changed.';
    this.page.refresh();
  }

  // --- drawing --------------------------------------------------------

  preview() {
    if (!this.shown) {
      return h('p', { class: 'muted' },
        'The preview shows what the change would do. Nothing is changed by ' +
        'looking.');
    }
    const { before, after } = this.shown.impact ?? {};
    const amd = this.shown.impact?.amd;
    return h('div', { class: 'preview' }, this.amd && amd
      ? h('p', null, `Of ${plural(amd.chips, 'AMD chip')}, below what is ` +
        `demanded: ${amd.before.below} now, ${amd.after.below} then.`)
      : h('table', null,
      h('caption', { class: 'hidden' }, 'Platforms before and after'),
      h('tbody', null, [['Now', before], ['Then', after]].map(([name, c]) =>
        h('tr', null, h('th', { scope: 'row' }, name),
          h('td', { class: 'wide' }, bar(c ?? {}), counts(c ?? {})))))),
    this.shown.impact?.fall > 0
      ? h('p', { class: 'note warn' }, `${plural(this.shown.impact.fall,
        'platform')} would fall out of date.`) : null,
    amd?.fall > 0 ? h('p', { class: 'note warn' },
      `${plural(amd.fall, 'chip')} would fall below what is demanded.`) : null,
    this.shown.refused || this.force ? h('label', { class: 'check' },
      h('input', { type: 'checkbox', id: 'c-force', checked: this.force,
        onchange: (e) => this.set({ force: e.target.checked }) }),
      ' Do it all the same') : null,
    h('p', { class: 'muted', id: 'c-changed', hidden: true },
      'The form has changed since: preview it again.'));
  }

  buttons() {
    const said = this.reason.trim() !== '';
    const look = byId('c-preview');
    const apply = byId('c-apply');
    if (!look) return;
    look.disabled = this.busy || !said;
    apply.disabled = this.busy || !said || !this.current();
    const changed = byId('c-changed');
    if (changed) changed.hidden = this.shown.refused || this.current();
  }

  draw() {
    const from = document.activeElement?.id;
    const dialog = byId('dialog');
    dialog.replaceChildren(h('form', { method: 'dialog', class: 'change',
      onsubmit: (e) => e.preventDefault() },
    h('h2', { id: 'dialog-title' }, 'Change the baseline'),
    this.amd ? null : field('What', select('c-verb', Object.entries(VERBS), this.verb,
      (e) => this.choose(e.target.value)), LEAD[this.verb]),
    this.fields(), this.preview(),
    this.error ? h('p', { class: 'note bad', role: 'alert' }, this.error)
      : null,
    h('p', { class: 'actions' },
      button('Cancel', () => dialog.close(), { id: 'c-cancel' }),
      button('Preview', () => this.send(true), { id: 'c-preview' }),
      button('Apply', () => this.send(false), { id: 'c-apply',
        class: 'primary' }))));
    this.buttons();
    if (from) byId(from)?.focus();
  }
}

export function changeOpen(data, start, page) {
  const change = new Change(data, start, page);
  change.draw();
  byId('dialog').showModal();
  byId(start.verb || start.scope ? 'c-reason' : 'c-verb').focus();
}
