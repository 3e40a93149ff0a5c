// The baseline's part of the page: the impact matrix, and changing what is
// served with a preview, a reason, and nobody overwritten.

import { api, assert, go, loaded, open, same, signIn } from './kit.mjs';

const FMSPC = '90C06F000000';

export function baselineTests(browser) {
  const rules = async () => (await api('GET', '/v1/baseline')).doc;

  // Sign in and look at the baseline.
  async function begin() {
    const page = await open(browser);
    await signIn(page, 'baseline');
    await page.waitForSelector('.matrix');
    return page;
  }

  async function end(page) {
    same(page.wrong, [], 'complaints');
    await page.context().close();
  }

  async function previewed(page) {
    await page.click('#c-preview');
    await page.waitForSelector('#dialog .preview, #dialog [role=alert]');
  }

  async function applied(page) {
    await page.click('#c-apply');
    await page.waitForSelector('#dialog', { state: 'hidden' });
    await loaded(page);
  }

  async function theMatrixIsWhatTheServerSays() {
    const page = await begin();
    const { doc } = await api('GET', '/v1/baseline/impact');
    assert(doc.fmspcs.length >= 2, 'two FMSPCs');
    for (const scope of doc.fmspcs) {
      same(scope.numbers.map((n) => n.number), [17, 18], 'numbers');
      for (const n of scope.numbers) {
        const key = `${scope.fmspc}/${scope.tee}/${n.number}`;
        const cell = page.locator(`[data-key="${key}"]`);
        const label = await cell.getAttribute('aria-label');
        for (const [status, count] of Object.entries(n.statuses)) {
          assert(label.includes(`${count} ${status}`), `${key}: ${label}`);
        }
        assert(label.includes(`${n.fall} would fall`), `${key}: ${label}`);
        same(await cell.evaluate((b) =>
          b.parentElement.classList.contains('effective')), n.effective, key);
        // The parts of the bar are as wide as their counts.
        const sum = Object.values(n.statuses).reduce((a, b) => a + b, 0);
        const wide = await cell.evaluate((b) => {
          const bar = b.querySelector('.bar-of').getBoundingClientRect().width;
          return [...b.querySelectorAll('.part')].map((p) =>
            [p.title, p.getBoundingClientRect().width / bar]);
        });
        for (const [title, w] of wide) {
          assert(Math.abs(w - parseInt(title, 10) / sum) < 0.03,
            `${key}: ${title} is ${w}`);
        }
      }
    }
    await end(page);
  }

  async function aCellByKeyboard() {
    const page = await begin();
    const { doc } = await api('GET', `/v1/baseline/impact?fmspc=${FMSPC}`);
    const row = doc.fmspcs[0].numbers.find((n) => n.number === 18);
    await page.focus(`[data-key="${FMSPC}/sgx/18"]`);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#impact-details');
    same(await page.evaluate(() => document.activeElement.dataset.key),
      `${FMSPC}/sgx/18`, 'focus stays');
    const text = await page.innerText('#impact-details');
    const first = row.examples[0];
    for (const s of first.short) {
      assert(text.includes(`has ${s.has}, needs ${s.needs}`), text);
    }
    for (const a of first.advisories) assert(text.includes(a), a);
    for (const n of first.names) assert(text.includes(n), n);
    assert(text.includes(`${row.fall} platforms would fall`), text);
    await end(page);
  }

  async function escapeChangesNothing() {
    const page = await begin();
    const before = (await rules()).revision;
    await page.focus('[data-key="rule-"]');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#dialog');
    await page.fill('#c-reason', 'never mind');
    await page.keyboard.press('Escape');
    await page.waitForSelector('#dialog', { state: 'hidden' });
    same(await page.evaluate(() => document.activeElement.dataset.key),
      'rule-', 'focus comes back');
    same((await rules()).revision, before, 'revision');
    await end(page);
  }

  async function aPinWithPreviewAndReason() {
    const page = await begin();
    await page.click('[data-key="rule-"]');
    await page.selectOption('#c-verb', 'pin');
    await page.selectOption('#c-scope', JSON.stringify({ fmspc: FMSPC }));
    await page.selectOption('#c-number', '17');
    assert(await page.isDisabled('#c-preview'), 'a preview without a reason');
    await page.fill('#c-reason', 'BIOS 1.9 is not out before March');
    assert(await page.isDisabled('#c-apply'), 'a change without a preview');
    await previewed(page);
    assert(await page.isEnabled('#c-apply'), 'nothing to apply');
    same((await rules()).rules.fmspc, {}, 'a preview changes nothing');
    // Another form than the one that was previewed.
    await page.selectOption('#c-retire', 'advance');
    assert(await page.isDisabled('#c-apply'), 'what was not previewed');
    await previewed(page);
    await page.waitForSelector('#c-apply:enabled');
    await applied(page);
    const doc = await rules();
    same(doc.rules.fmspc[FMSPC].pin, 17, 'pinned');
    same(doc.rules.fmspc[FMSPC].on_retire, 'advance', 'on_retire');
    const text = await page.innerText('#view');
    assert(text.includes(`FMSPC ${FMSPC}`) && text.includes('pin 17'), text);
    await go(page, 'history');
    const history = await page.innerText('#view');
    assert(history.includes('BIOS 1.9 is not out before March') &&
      history.includes('pin'), history);
    await end(page);
  }

  async function aPromotionThatIsRefusedAndForced() {
    const page = await begin();
    await page.click(`[data-key="${FMSPC}/sgx/18"]`);
    await page.click('[data-key=promote]');
    await page.fill('#c-reason', 'the audit wants it');
    await previewed(page);
    assert((await page.innerText('#dialog [role=alert]')).includes('Refused'),
      'says that it is refused');
    assert(await page.isDisabled('#c-apply'), 'refused, and to be applied');
    same((await rules()).rules.fmspc[FMSPC].pin, 17, 'still pinned');
    await page.check('#c-force');
    assert(await page.isDisabled('#c-apply'), 'forced without a look');
    await previewed(page);
    await page.waitForSelector('#c-apply:enabled');
    await applied(page);
    same((await rules()).rules.fmspc[FMSPC].pin, 18, 'promoted');
    await page.waitForSelector(`.effective [data-key="${FMSPC}/sgx/18"]`);
    await end(page);
  }

  async function nobodyIsOverwritten() {
    const page = await begin();
    await page.click('[data-key="rule-"]');
    await page.selectOption('#c-verb', 'lag');
    await page.fill('#c-days', '30');
    await page.fill('#c-reason', 'a month of rest');
    // Meanwhile, elsewhere.
    const seen = await api('GET', '/v1/baseline');
    const other = await api('POST', '/v1/baseline/pin',
      { fmspc: '00606A000000', number: 17, reason: 'the other admin' },
      { 'if-match': seen.etag });
    same(other.status, 200, 'the other change');
    await page.click('#c-preview');
    await page.waitForSelector('#dialog [role=alert]');
    assert((await page.innerText('#dialog [role=alert]'))
      .includes('Somebody else'), 'says so');
    assert(await page.isDisabled('#c-apply'), 'to be applied all the same');
    same((await rules()).revision, other.doc.revision, 'revision');
    await end(page);
  }

  async function rolledBack() {
    const page = await begin();
    const before = await rules();
    assert(before.rules.fmspc['00606A000000'], 'something to roll back');
    await page.click('[data-key=rollback]');
    await page.fill('#c-reason', 'that was a mistake');
    await previewed(page);
    await page.waitForSelector('#c-apply:enabled');
    await applied(page);
    const after = await rules();
    same(after.rules.fmspc['00606A000000'], undefined, 'rolled back');
    same(after.rules.fmspc[FMSPC].pin, 18, 'the rest stays');
    await end(page);
  }

  async function aLeastTcbOfAmdsChips() {
    const page = await begin();
    const rows = await page.$$eval('section[aria-labelledby=chips] tbody tr',
      (l) => l.map((r) => [...r.children].slice(1, 5)
        .map((c) => c.textContent.trim())));
    // Five Milans: microcode 219 three times, 213, 209.
    same(rows.map((r) => r.slice(1)), [['3', '2', '2'], ['4', '1', '1'],
      ['5', '0', '0']], 'meet it, below, would fall');
    same(rows[0][0], 'DB18000000000004', 'the highest first');
    await page.click('[data-key="amd-Milan-D518000000000004"]');
    assert((await page.innerText('#dialog')).includes('1 of 5 chips'),
      'says who is below');
    await page.fill('#c-reason', 'SB-3019');
    await previewed(page);
    assert((await page.innerText('#dialog')).includes('0 now, 1 then'),
      'the preview is of chips');
    assert((await page.innerText('#dialog [role=alert]')).includes('chips'),
      'refused: a fifth of them falls');
    await page.check('#c-force');
    await previewed(page);
    await page.waitForSelector('#c-apply:enabled');
    await applied(page);
    same((await rules()).rules.amd.map((a) => [a.product, a.tcb]),
      [['Milan', 'D518000000000004']], 'demanded');
    await page.waitForSelector('text=demanded now');
    await go(page, 'history');
    assert((await page.innerText('#view')).includes(
      '0 of 5 chips below before, 1 after'), 'the history has it');
    await go(page, 'baseline');
    await page.click('[data-key="amd-none-AMD Milan"]');
    await page.fill('#c-reason', 'they are to be replaced');
    await previewed(page);
    await page.waitForSelector('#c-apply:enabled');
    await applied(page);
    same((await rules()).rules.amd.map((a) => a.tcb), ['auto'], 'none');
    await end(page);
  }

  // By keyboard: there applies again what the configuration says.
  async function aRuleIsTakenBack() {
    const seen = await api('GET', '/v1/baseline');
    same((await api('POST', '/v1/baseline/pin', { fmspc: '00606A000000',
      number: 17, reason: 'for a while' }, { 'if-match': seen.etag })).status,
    200, 'a rule to take back');
    const page = await begin();
    same(await page.locator('[data-key="clear-"]').count(), 0,
      'the default was not set here');
    await page.focus('[data-key="rule-00606A000000"]');
    await page.keyboard.press('Tab');
    same(await page.evaluate(() => [document.activeElement.dataset.key,
      document.activeElement.getAttribute('aria-label')]),
    ['clear-00606A000000', 'Clear the rule of FMSPC 00606A000000'],
    'the button beside it');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#dialog');
    same(await page.$$eval('#c-scope option', (l) =>
      l.map((o) => o.textContent)), ['FMSPC 00606A000000', `FMSPC ${FMSPC}`],
    'those that were set here');
    assert(await page.isDisabled('#c-preview'), 'a preview without a reason');
    await page.keyboard.type('the while is over');
    assert(await page.isDisabled('#c-apply'), 'a change without a preview');
    await page.focus('#c-preview');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#c-apply:enabled');
    same((await rules()).rules.fmspc['00606A000000'].pin, 17,
      'a preview changes nothing');
    same(await page.evaluate(() => document.activeElement.id), 'c-apply',
      'the next step has the focus');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#dialog', { state: 'hidden' });
    await loaded(page);
    const after = await rules();
    same(after.rules.fmspc['00606A000000'], undefined, 'taken back');
    same(after.rules.fmspc[FMSPC].pin, 18, 'the rest stays');
    await go(page, 'history');
    const history = await page.innerText('#view');
    assert(history.includes('clear') && history.includes('the while is over'),
      history);
    await end(page);
  }

  async function aRuleOfAmdsIsTakenBack() {
    const page = await begin();
    await page.click('[data-key="amd-clear-AMD Milan"]');
    assert((await page.innerText('#dialog')).includes('What was set here for ' +
      'Milan is taken back'), 'says so');
    await page.fill('#c-reason', 'nothing is demanded anyway');
    await previewed(page);
    await page.waitForSelector('#c-apply:enabled');
    await applied(page);
    same((await rules()).rules.amd, [], 'taken back');
    same(await page.locator('[data-key="amd-clear-AMD Milan"]').count(), 0,
      'nothing left to take back');
    await end(page);
  }

  // Made from another revision: not even looked at.
  async function nothingIsTakenBackTwice() {
    const page = await begin();
    await page.click(`[data-key="clear-${FMSPC}"]`);
    await page.fill('#c-reason', 'too late');
    const seen = await api('GET', '/v1/baseline');
    const other = await api('POST', '/v1/baseline/pin', { fmspc: FMSPC,
      number: 18, on_retire: 'hold', reason: 'the other admin' },
    { 'if-match': seen.etag });
    same(other.status, 200, 'the other change');
    await page.click('#c-preview');
    await page.waitForSelector('#dialog [role=alert]');
    assert((await page.innerText('#dialog [role=alert]'))
      .includes('Somebody else'), 'says so');
    assert(await page.isDisabled('#c-apply'), 'to be applied all the same');
    same((await rules()).rules.fmspc[FMSPC].on_retire, 'hold', 'the other’s');
    await end(page);
  }

  return [
    ['the matrix is what the server says', theMatrixIsWhatTheServerSays],
    ['a cell by keyboard', aCellByKeyboard],
    ['escape changes nothing', escapeChangesNothing],
    ['a pin, with preview and reason', aPinWithPreviewAndReason],
    ['a promotion that is refused, and forced',
      aPromotionThatIsRefusedAndForced],
    ['nobody is overwritten', nobodyIsOverwritten],
    ['rolled back', rolledBack],
    ['a least TCB of AMD’s chips', aLeastTcbOfAmdsChips],
    ['a rule is taken back', aRuleIsTakenBack],
    ['a rule of AMD’s is taken back', aRuleOfAmdsIsTakenBack],
    ['nothing is taken back twice', nothingIsTakenBackTwice],
  ];
}
