// The operator's page, as an operator uses it.  Run by run.sh.

import fs from 'node:fs';
import path from 'node:path';
import { SHOTS, SIM, TOKEN, URL_, VIEWS, assert, contrasts, go, launch,
  layout, loaded, open, picture, same, secrets, signIn } from './kit.mjs';
import { baselineTests } from './baseline.mjs';

const browser = await launch();

// --- signing in -----------------------------------------------------------

const store = (page) => page.evaluate(() => JSON.stringify([
  { ...localStorage }, { ...sessionStorage }, document.cookie]));

async function aWrongTokenIsNotLetIn() {
  const page = await open(browser);
  await page.goto(`${URL_}/console`);
  await page.press('#token', 'Enter');
  assert(await page.isVisible('#signin-error'), 'an empty token');
  for (const wrong of ['wrong', 'größer', 'a b']) {
    await page.fill('#token', wrong);
    await page.press('#token', 'Enter');
    await page.waitForFunction(() => document.querySelector('#token').value
      === '' && !document.querySelector('#signin-error').hidden);
    assert(await page.isHidden('nav'), `"${wrong}" was let in`);
  }
  same(await page.evaluate(() => document.activeElement.id), 'token',
    'focus after a refusal');
  same(page.wrong, [], 'complaints');
  await page.context().close();
}

async function theTokenStaysInMemory() {
  const page = await open(browser);
  await signIn(page);
  same(await store(page), '[{},{},""]', 'kept without being asked');
  assert(!(await page.content()).includes(TOKEN), 'the token is in the page');
  assert(!page.asked.some((u) => u.includes(TOKEN)), 'the token is in a URL');
  await page.reload();
  assert(await page.isVisible('#signin'), 'a reload forgets it');
  await page.context().close();
}

async function rememberedForTheTabAlone() {
  const page = await open(browser);
  await page.goto(`${URL_}/console`);
  await page.fill('#token', TOKEN);
  await page.check('#keep');
  await page.press('#token', 'Enter');
  await loaded(page);
  await page.reload();
  await loaded(page);
  assert(await page.evaluate(() => localStorage.length === 0), 'for ever');
  await page.click('#signout');
  assert(await page.isVisible('#signin'), 'signed out');
  same(await store(page), '[{},{},""]', 'kept after signing out');
  await page.reload();
  assert(await page.isVisible('#signin'), 'still signed out');
  await page.context().close();
}

async function aTokenThatEndsSignsOut() {
  const page = await open(browser);
  await signIn(page);
  await page.route('**/v1/**', (r) => r.fulfill({ status: 401,
    body: 'Authentication failed.' }));
  await page.click('#reload');
  await page.waitForSelector('#signin');
  assert((await page.textContent('#signin-error')).includes('no longer'),
    'says why');
  assert(!(await page.textContent('body')).includes('rootcrl'),
    'data is left on the screen');
  await page.context().close();
}

async function aServerThatIsGoneIsSaidSo() {
  const page = await open(browser);
  await signIn(page);
  await page.route('**/v1/**', (r) => r.abort());
  await page.click('#reload');
  await page.waitForSelector('#say.bad');
  assert((await page.textContent('#say')).includes('does not answer'),
    'says so');
  assert(await page.isVisible('.tile'), 'what was there stays');
  await page.unroute('**/v1/**');
  await page.click('#reload');
  await page.waitForFunction(() =>
    document.querySelector('#say').textContent === '');
  await page.context().close();
}

// --- locked up ------------------------------------------------------------

async function nothingFromElsewhereNothingInline() {
  const page = await open(browser);
  await signIn(page);
  for (const view of VIEWS) await go(page, view);
  assert(page.asked.every((u) => u.startsWith(`${URL_}/`)),
    `asked elsewhere: ${page.asked.find((u) => !u.startsWith(URL_))}`);
  same(page.wrong, [], 'complaints');
  const tried = await page.evaluate(async () => {
    const blocked = [];
    document.addEventListener('securitypolicyviolation', (e) =>
      blocked.push(e.effectiveDirective));
    const script = document.createElement('script');
    try { script.text = 'window.hacked = 1'; } catch { /* trusted types */ }
    document.body.append(script);
    try { document.body.innerHTML = '<b>x</b>'; } catch { /* likewise */ }
    const image = new Image();
    image.src = 'http://127.0.0.1:1/x.png';
    await fetch('http://127.0.0.1:1/').catch(() => {});
    const has = (what) => blocked.some((d) => d.startsWith(what));
    for (let n = 0; n < 1000 && !(has('img') && has('connect')); n++) {
      await new Promise((r) => setTimeout(r, 50));
    }
    return { hacked: window.hacked ?? 0, nav: !!document.querySelector('nav'),
      img: has('img'), connect: has('connect') };
  });
  same(tried, { hacked: 0, nav: true, img: true, connect: true }, 'policy');
  await page.context().close();
}

async function inNobodysFrame() {
  const page = await open(browser);
  await page.goto('data:text/html,<p>elsewhere</p>');
  await page.setContent(`<iframe src="${URL_}/console"></iframe>`);
  await page.waitForFunction(() => true);
  const frame = page.frames().find((f) => f !== page.mainFrame());
  await frame.waitForLoadState().catch(() => {});
  assert(await frame.$('#token') === null, 'the page is in a frame');
  await page.context().close();
}

async function noIdentifierInClear() {
  const page = await open(browser);
  await signIn(page);
  assert(secrets.length > 10, 'platforms are known');
  for (const view of VIEWS) {
    await go(page, view);
    const text = (await page.content()).toUpperCase();
    assert(!secrets.some((s) => text.includes(s.toUpperCase())),
      `a QE-ID stands in ${view}`);
  }
  await page.context().close();
}

// --- what is shown ----------------------------------------------------------

// Sign in; the status that the view was drawn from.
async function told(page, view) {
  let last;
  page.on('response', (r) => {
    if (r.url().endsWith('/v1/status')) last = r.json();
  });
  await signIn(page, view);
  return last;
}

async function theOverviewSaysWhatMatters() {
  const page = await open(browser);
  const doc = await told(page, 'overview');
  const tile = (name) => page.locator('.tile', { hasText: name })
    .locator('.value').textContent();
  same(await tile('Objects'), String(doc.storage.objects.length), 'objects');
  same(await tile('Platforms'), '12', 'platforms');
  assert(/^(\d+) of \1 up$/.test(await tile('Upstreams')), 'upstreams');
  await page.locator('.tile', { hasText: 'Upstreams' }).click();
  await page.waitForFunction(() => location.hash === '#/upstream');
  await page.context().close();
}

async function aLineOfLifePerObject() {
  const page = await open(browser);
  const doc = await told(page, 'objects');
  const rows = await page.evaluate(() =>
    [...document.querySelectorAll('.timeline tbody .track')].map((t) => {
      const box = (n) => n.getBoundingClientRect();
      const at = (x) => (x - box(t).left) / box(t).width;
      const life = box(t.querySelector('.life'));
      return { key: t.closest('tr').querySelector('th').textContent,
        from: at(life.left), to: at(life.right),
        now: at(box(t.querySelector('.now')).left + 1) };
    }));
  same(rows.map((r) => r.key).sort(), doc.storage.objects.map((o) => o.key)
    .sort(), 'objects');
  // 70 days, today at two fifths.
  const scale = 70 * 86400;
  const now = Date.parse(doc.now) / 1000;
  for (const row of rows) {
    const o = doc.storage.objects.find((x) => x.key === row.key);
    const x = (text) => Math.min(1, Math.max(0,
      (Date.parse(text) / 1000 - now) / scale + 0.4));
    assert(Math.abs(row.now - 0.4) < 0.004, `today of ${row.key}`);
    assert(Math.abs(row.from - x(o.issued)) < 0.01, `start of ${row.key}`);
    assert(Math.abs(row.to - x(o.next_update)) < 0.01, `end of ${row.key}`);
  }
  await page.click('text=20 days');
  const wide = await page.evaluate(() => document.querySelector(
    '.timeline [aria-label^="issued"] .life').getBoundingClientRect().width);
  assert(wide > 0, 'a nearer look');
  await page.context().close();
}

async function anObjectByKeyboard() {
  const page = await open(browser);
  await signIn(page, 'objects');
  await page.focus('[data-key="rootcrl"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.details table');
  same(await page.getAttribute('[data-key="rootcrl"]', 'aria-expanded'),
    'true', 'expanded');
  same(await page.evaluate(() => document.activeElement.dataset.key),
    'rootcrl', 'focus stays');
  const count = async () => Number(await (await fetch(
    `${SIM}/_sim/count?path=/intelsgxrootca.der`)).text());
  const before = await count();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.focus('[data-key="refresh-now"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=what came was admitted');
  same(await count(), before + 1, 'Intel was asked');
  await page.focus('[data-key="rootcrl"]');
  await page.keyboard.press('Space');
  await page.waitForSelector('.details', { state: 'detached' });
  await page.context().close();
}

async function findingAnObject() {
  const page = await open(browser);
  await signIn(page, 'objects');
  await page.focus('input[type=search]');
  await page.keyboard.type('identity');
  same(await page.inputValue('input[type=search]'), 'identity', 'typed');
  same(await page.evaluate(() => document.activeElement.type), 'search',
    'focus stays while typing');
  const keys = await page.$$eval('.timeline button.link', (l) =>
    l.map((b) => b.textContent));
  assert(keys.length > 2 && keys.every((k) => k.includes('identity')),
    `found ${keys}`);
  await page.keyboard.type('-of-nobody');
  await page.waitForSelector('text=No such object is held.');
  await page.context().close();
}

// Two thousand objects and five hundred FMSPCs, made of those there are.
async function aLargeSiteIsNoWall() {
  const page = await open(browser);
  const fmspc = (i) => `5A${i.toString(16).toUpperCase().padStart(6, '0')}0000`;
  const made = (route, change) => route.fetch().then(async (r) => {
    const doc = await r.json();
    change(doc);
    return route.fulfill({ response: r, json: doc });
  });
  await page.route('**/v1/status', (r) => made(r, (doc) => {
    const o = doc.storage.objects.find((x) => x.kind === 'tcb');
    for (let i = 0; i < 2000; i++) {
      doc.storage.objects.push({ ...o, key: `tcb/sgx/4/${fmspc(i)}/standard` });
    }
  }));
  await page.route('**/v1/baseline/impact', (r) => made(r, (doc) => {
    const s = doc.fmspcs.find((x) => x.platforms > 0);
    for (let i = 0; i < 500; i++) {
      doc.fmspcs.push({ ...s, fmspc: fmspc(i),
        numbers: s.numbers.map((n) => ({ ...n, fall: i === 499 ? 99 : 0 })) });
    }
  }));
  await page.route('**/v1/baseline', (r) => made(r, (doc) => {
    const e = doc.effective.find((x) => x.fmspc && x.tee === 'sgx');
    for (let i = 0; i < 500; i++) doc.effective.push({ ...e, fmspc: fmspc(i) });
  }));
  await signIn(page, 'objects');
  const rows = (what) => page.locator(`${what} tbody tr`).count();
  assert(await rows('.timeline') < 120, `${await rows('.timeline')} objects`);
  await page.click('[data-key=more-objects-tcb]');
  assert(await rows('.timeline') > 150, 'no more of them');
  await page.fill('input[type=search]', fmspc(1999));
  same(await page.$$eval('.timeline button.link', (l) =>
    l.map((b) => b.textContent)), [`tcb/sgx/4/${fmspc(1999)}/standard`],
  'the last one is found');
  await go(page, 'baseline');
  same(await rows('.matrix'), 24, 'FMSPCs');
  assert((await page.innerText('.matrix tbody tr:first-child'))
    .includes(fmspc(499)), 'who would lose most comes first');
  await page.click('[data-key=more-matrix]');
  same(await rows('.matrix'), 120, 'more FMSPCs');
  await page.fill('[data-key=find-fmspc]', '5a0001f2');
  same(await rows('.matrix'), 1, 'found');
  await page.fill('[data-key=find-fmspc]', 'FFFF');
  await page.waitForSelector('text=No such FMSPC is known.');
  assert(await rows('section[aria-labelledby=effective]') < 24,
    'a row for each of the same');
  same(page.wrong, [], 'complaints');
  await page.context().close();
}

async function whatWasRefused() {
  const page = await open(browser);
  await signIn(page, 'refusals');
  const text = await page.textContent('main table');
  assert(text.includes('bad-signature') && text.includes('tcb/sgx/4/00906ED5'),
    'the forged object');
  await page.click('text=Requests');
  const rest = await page.textContent('main table');
  assert(!rest.includes('gate') && rest.includes('bad-parameter'),
    'requests alone');
  await page.context().close();
}

async function byKeyboardAlone() {
  const page = await open(browser);
  await page.goto(`${URL_}/console`);
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await loaded(page);
  same(await page.evaluate(() => document.querySelector(
    'a, button, input, select').className), 'skip',
  'the way past the menu comes first');
  await page.focus('.skip');
  const seen = [];
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab');
    seen.push(await page.evaluate(() => {
      const n = document.activeElement;
      return [n.textContent.trim().slice(0, 12),
        getComputedStyle(n).outlineStyle !== 'none'];
    }));
  }
  for (const name of ['Objects', 'Baseline', 'Upstream', 'Refusals',
    'Changes', 'Sign out']) {
    assert(seen.some(([t, ring]) => t === name && ring),
      `${name} is not reached, or has no ring: ${JSON.stringify(seen)}`);
  }
  await page.focus('nav a[href="#/objects"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.timeline');
  await page.context().close();
}

// --- how it looks -----------------------------------------------------------

async function look(page, name, scheme, least, fullPage) {
  const odd = (await page.evaluate(() => document.body.innerText))
    .match(/undefined|NaN|null|\[object/);
  same(odd, null, 'a value that is none');
  const found = await layout(page);
  const { n, found: pale } = await contrasts(page);
  const png = await page.screenshot({ fullPage });
  fs.writeFileSync(path.join(SHOTS, `${name}.png`), png);
  const seen = await picture(browser, png);
  same(found, [], 'layout');
  same(pale, [], 'contrast');
  assert(n >= least, `only ${n} texts`);
  same(page.wrong, [], 'complaints');
  assert(seen.colours > 40 && seen.most < 0.97, `blank: ${JSON.stringify(
    seen)}`);
  assert(scheme === 'light' ? seen.light > 0.5 : seen.light < 0.3,
    `not ${scheme}: ${seen.light}`);
}

async function looks(view, scheme, width) {
  const page = await open(browser, { colorScheme: scheme,
    viewport: { width, height: 800 } });
  if (view === 'signin') {
    await page.goto(`${URL_}/console`);
    await page.waitForSelector('#token');
  } else {
    await signIn(page, view);
  }
  if (view === 'objects') {
    await page.click('[data-key="identity/qve/4/standard"]');
    await page.waitForSelector('.details table');
  }
  if (view === 'baseline') {
    await page.click('[data-key="90C06F000000/sgx/18"]');
  }
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement.blur());
  await look(page, `${view}-${scheme}${width < 600 ? '-narrow' : ''}`, scheme,
    view === 'signin' ? 6 : 10, true);
  await page.context().close();
}

// The dialog, with a refused change in it, lies over the page.
async function theDialogLooks(scheme) {
  const page = await open(browser, { colorScheme: scheme,
    viewport: { width: 1280, height: 900 } });
  await signIn(page, 'baseline');
  await page.click('[data-key="00606A000000/sgx/18"]');
  await page.click('[data-key=promote]');
  await page.fill('#c-reason', 'The BIOS update is rolled out.');
  await page.click('#c-preview');
  await page.waitForSelector('#dialog [role=alert]');
  await look(page, `change-${scheme}`, scheme, 20, false);
  await page.context().close();
}

// The other dialog that a row opens: nothing is asked but why.
async function theClearDialogLooks(scheme) {
  const page = await open(browser, { colorScheme: scheme,
    viewport: { width: 1280, height: 900 } });
  await signIn(page, 'baseline');
  await page.click('[data-key="clear-90C06F000000"]');
  await page.fill('#c-reason', 'The canary is done.');
  await page.click('#c-preview');
  await page.waitForSelector('#dialog .preview');
  await look(page, `clear-${scheme}`, scheme, 15, false);
  await page.context().close();
}

// --- run --------------------------------------------------------------------

const tests = [
  ['a wrong token is not let in', aWrongTokenIsNotLetIn],
  ['the token stays in memory', theTokenStaysInMemory],
  ['remembered for the tab alone', rememberedForTheTabAlone],
  ['a token that ends signs out', aTokenThatEndsSignsOut],
  ['a server that is gone is said so', aServerThatIsGoneIsSaidSo],
  ['nothing from elsewhere, nothing inline', nothingFromElsewhereNothingInline],
  ['in nobody’s frame', inNobodysFrame],
  ['no identifier in clear', noIdentifierInClear],
  ['the overview says what matters', theOverviewSaysWhatMatters],
  ['a line of life per object', aLineOfLifePerObject],
  ['an object by keyboard', anObjectByKeyboard],
  ['finding an object', findingAnObject],
  ['a large site is no wall', aLargeSiteIsNoWall],
  ['what was refused', whatWasRefused],
  ['by keyboard alone', byKeyboardAlone],
  ...baselineTests(browser),
];
for (const view of ['signin', ...VIEWS]) {
  for (const scheme of ['light', 'dark']) {
    tests.push([`${view} in ${scheme}`, () => looks(view, scheme, 1280)]);
  }
  tests.push([`${view} on a phone`, () => looks(view, 'light', 390)]);
}

for (const scheme of ['light', 'dark']) {
  tests.push([`the dialog in ${scheme}`, () => theDialogLooks(scheme)]);
  tests.push([`the dialog to clear in ${scheme}`,
    () => theClearDialogLooks(scheme)]);
}

// CONSOLE_ONLY: those whose names have this in them.
const only = process.env.CONSOLE_ONLY ?? '';
let passed = 0;
let failed = 0;
for (const [name, run] of tests.filter(([n]) => n.includes(only))) {
  const from = Date.now();
  let timer;
  try {
    await Promise.race([run(), new Promise((_, no) => {
      timer = setTimeout(() => no(new Error('took over 4 min')), 240000);
    })]);
    passed++;
    console.log(`ok      ${name} (${Date.now() - from} ms)`);
  } catch (e) {
    failed++;
    console.log(`FAILED  ${name}: ${e.message}`);
  }
  clearTimeout(timer);
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
