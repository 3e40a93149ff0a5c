// What the browser tests share: the browser, signing in, and what is looked
// at on every page.

import fs from 'node:fs';
import { chromium } from 'playwright-core';

const env = process.env;
export const URL_ = env.CONSOLE_URL;
export const SIM = env.CONSOLE_SIM;
export const TOKEN = env.CONSOLE_TOKEN;
export const SHOTS = env.CONSOLE_SHOTS;
export const secrets = fs.readFileSync(env.CONSOLE_SECRETS, 'utf8')
  .split('\n').filter(Boolean);
export const VIEWS = ['overview', 'objects', 'baseline', 'upstream',
  'refusals', 'history'];

export const launch = () => chromium.launch({
  executablePath: env.CHROMIUM || '/usr/bin/chromium',
  // Containers often have no user namespace to sandbox in, and all that this
  // browser ever sees is our own page.
  chromiumSandbox: false,
  args: ['--disable-gpu', '--disable-dev-shm-usage',
    '--font-render-hinting=none'],
});

export function assert(ok, text) {
  if (!ok) throw new Error(text);
}
export function same(got, want, text) {
  assert(JSON.stringify(got) === JSON.stringify(want),
    `${text}: ${JSON.stringify(got)} instead of ${JSON.stringify(want)}`);
}

export async function api(method, path, body, headers) {
  const answer = await fetch(URL_ + path, { method,
    headers: { 'admin-token': TOKEN, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, etag: answer.headers.get('etag'),
    doc: text.startsWith('{') ? JSON.parse(text) : null, text };
}

// A page that remembers what went wrong in it and whom it asked.
export async function open(browser, options) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(120000);
  const page = await context.newPage();
  page.wrong = [];
  page.asked = [];
  page.on('pageerror', (e) => page.wrong.push(`error: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error' && !/status of (4|5)\d\d/.test(m.text())) {
      page.wrong.push(`console: ${m.text()}`);
    }
  });
  page.on('request', (r) => page.asked.push(r.url()));
  return page;
}

export async function signIn(page, view = 'overview') {
  await page.goto(`${URL_}/console#/${view}`);
  await page.fill('#token', TOKEN);
  await page.press('#token', 'Enter');
  await loaded(page);
}

// Until the view has been drawn from what the server said.
export async function loaded(page) {
  await page.waitForFunction(() =>
    document.querySelector('#view .card, #view .tile') &&
    !document.querySelector('#signin') &&
    !document.querySelector('#view[aria-busy]'));
}

export async function go(page, view) {
  if (page.url().endsWith(`#/${view}`)) return;
  await page.click(`nav a[href="#/${view}"]`);
  await page.waitForFunction((v) =>
    document.querySelector('nav a[aria-current]')?.hash === `#/${v}`, view);
  await loaded(page);
}

// --- looking ------------------------------------------------------------

// Every text against what is behind it: WCAG AA, 4.5 or 3 where it is large.
export const contrasts = (page) => page.evaluate(() => {
  const parse = (text) => {
    const m = text.match(/[\d.]+/g).map(Number);
    return { rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 };
  };
  const over = (top, below) => top.rgb.map((c, i) =>
    c * top.a + below[i] * (1 - top.a));
  const behind = (node) => {
    const layers = [];
    for (let n = node; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if (c.a > 0) layers.unshift(c);
      if (c.a === 1) break;
    }
    return layers.reduce((rgb, c) => over(c, rgb), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => {
      const s = c / 255;
      return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  let n = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (walk.currentNode.data.trim() === '' || !node.checkVisibility() ||
        node.closest('.hidden, .skip, button:disabled')) continue;
    const style = getComputedStyle(node);
    const back = behind(node);
    const a = light(over(parse(style.color), back));
    const b = light(back);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    n++;
    if (ratio < (large ? 3 : 4.5)) {
      found.push(`${ratio.toFixed(2)} "${walk.currentNode.data.trim()}"`);
    }
  }
  return { n, found };
});

// Wider than the window, boxes over each other, text cut off, unnamed buttons.
export const layout = (page) => page.evaluate(() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll('body *')].find((n) =>
      n.getBoundingClientRect().right > root.clientWidth + 1 &&
      !n.closest('.scroll, .hidden, .skip'));
    found.push(`wider than the window by ` +
      `${root.scrollWidth - root.clientWidth}: ${wide?.className}`);
  }
  const apart = (selector) => {
    const boxes = [...document.querySelectorAll(selector)]
      .filter((n) => n.checkVisibility())
      .map((n) => [n, n.getBoundingClientRect()]);
    boxes.forEach(([x, a], i) => boxes.slice(i + 1).forEach(([y, b]) => {
      if (!x.contains(y) && !y.contains(x) && a.left < b.right - 0.5 &&
          b.left < a.right - 0.5 && a.top < b.bottom - 0.5 &&
          b.top < a.bottom - 0.5) {
        found.push(`"${x.textContent.slice(0, 30)}" over ` +
          `"${y.textContent.slice(0, 30)}"`);
      }
    }));
  };
  apart('#view > .card, #view .tile');
  apart('header a, header button, header .brand');
  apart('.axis .tick');
  apart('#view button, #view input, #view select');
  for (const b of document.querySelectorAll('button, a, input, select')) {
    const name = b.getAttribute('aria-label') || b.textContent.trim() ||
      b.labels?.[0]?.textContent.trim();
    if (b.checkVisibility() && !name) found.push(`no name: ${b.outerHTML}`);
  }
  return found;
});

// Of a PNG: how many colours, and how light it is on the whole (0 to 1).
export async function picture(browser, png) {
  const page = await browser.newPage();
  const seen = await page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = image.width;
    canvas.height = image.height;
    const c = canvas.getContext('2d');
    c.drawImage(image, 0, 0);
    const d = c.getImageData(0, 0, image.width, image.height).data;
    const colours = new Map();
    let sum = 0;
    for (let i = 0; i < d.length; i += 4) {
      const key = d[i] << 16 | d[i + 1] << 8 | d[i + 2];
      colours.set(key, (colours.get(key) ?? 0) + 1);
      sum += d[i] + d[i + 1] + d[i + 2];
    }
    const n = d.length / 4;
    return { colours: colours.size, light: sum / n / 765,
      most: Math.max(...colours.values()) / n };
  }, png.toString('base64'));
  await page.close();
  return seen;
}
