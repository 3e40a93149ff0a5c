// The page itself: signing in and out, which view is shown, asking again.

import { ApiError, tokenForget, tokenRecall, tokenSet, get } from './api.js';
import { byId, button, h } from './dom.js';
import * as overview from './overview.js';
import * as objects from './objects.js';
import * as baseline from './baseline.js';
import * as upstream from './upstream.js';
import * as refusals from './refusals.js';
import * as history from './history.js';

const VIEWS = { overview, objects, baseline, upstream, refusals, history };
const ASK_AGAIN_MS = 20000;
const LOCK_MS = 30 * 60000; // without a key or a click

const signin = byId('signin');
const tokenInput = byId('token');
const view = byId('view');
let shown = null; // name of the view on screen
let last = null; // what it was drawn from, as text
let asking = 0; // requests in progress; only the newest one draws
let timer = null;
let touched = Date.now();

function say(text, bad) {
  byId('say').textContent = text;
  byId('say').classList.toggle('bad', Boolean(bad));
}

// --- signing in -------------------------------------------------------

function signedOut(why) {
  tokenForget();
  clearTimeout(timer);
  asking++;
  shown = last = null;
  byId('nav').hidden = byId('session').hidden = true;
  if (byId('dialog').open) byId('dialog').close();
  view.replaceChildren(signin);
  say('');
  byId('signin-error').hidden = !why;
  byId('signin-error').textContent = why ?? '';
  tokenInput.value = '';
  tokenInput.focus();
}

async function signIn(event) {
  event.preventDefault();
  const value = tokenInput.value.trim();
  if (value === '') {
    byId('signin-error').hidden = false;
    byId('signin-error').textContent = 'Enter the token first.';
    tokenInput.focus();
    return;
  }
  // The header would be refused before it is sent.
  if (!/^[\x21-\x7e]+$/.test(value)) {
    signedOut('That is no token: it has characters no token has.');
    return;
  }
  tokenSet(value, signin.querySelector('#keep').checked);
  try {
    await get('/v1/status');
  } catch (e) {
    signedOut(e.status === 401 ? 'This token is not accepted.' : e.message);
    return;
  }
  start();
}

function start() {
  signin.remove();
  byId('nav').hidden = byId('session').hidden = false;
  tokenInput.value = '';
  touched = Date.now();
  show();
}

// --- views ------------------------------------------------------------

function named() {
  const name = location.hash.replace(/^#\/?/, '').split('?')[0];
  return name in VIEWS ? name : 'overview';
}

function navDraw() {
  const links = Object.entries(VIEWS).map(([name, v]) => h('a',
    { href: `#/${name}`, 'aria-current': name === shown ? 'page' : null },
    v.title));
  byId('nav').replaceChildren(...links);
}

// Focus and scrolling survive a redraw; data-key says what is the same.
function draw(v, data) {
  const from = document.activeElement;
  const key = from?.dataset?.key;
  const caret = from?.selectionStart;
  const y = window.scrollY;
  const page = { redraw: () => draw(v, data), refresh: () => refresh(true) };
  if (VIEWS[shown] !== v) return;
  view.replaceChildren(h('h1', { class: 'hidden' }, v.title),
    ...[v.render(data, page)].flat(Infinity).filter(Boolean));
  if (key) {
    const to = view.querySelector(`[data-key="${CSS.escape(key)}"]`);
    to?.focus({ preventScroll: true });
    if (typeof caret === 'number') to?.setSelectionRange?.(caret, caret);
  }
  window.scrollTo(0, y);
}

function failed(e) {
  if (e instanceof ApiError && e.status === 401) {
    signedOut('The token is no longer accepted.');
    return;
  }
  say(e.message, true);
  if (last === null) {
    view.replaceChildren(h('section', { class: 'card' },
      h('p', { class: 'note bad' }, e.message),
      button('Try again', () => refresh(true))));
  }
}

// Ask for the view's data and draw it if it is not what is drawn already.
async function refresh(force) {
  const v = VIEWS[shown];
  const mine = ++asking;
  clearTimeout(timer);
  view.setAttribute('aria-busy', 'true');
  try {
    const data = await v.load();
    if (mine !== asking) return;
    const text = JSON.stringify(data, (k, x) => (k === 'now' ? null : x));
    if (force || text !== last) draw(v, data);
    last = text;
    byId('asof').textContent =
      `as of ${new Date().toISOString().slice(11, 19)} UTC`;
    say('');
  } catch (e) {
    if (mine !== asking) return;
    failed(e);
  }
  view.removeAttribute('aria-busy');
  if (!signin.isConnected) timer = setTimeout(again, ASK_AGAIN_MS);
}

function again() {
  if (Date.now() - touched > LOCK_MS) {
    signedOut('Signed out: nobody was here for half an hour.');
  } else if (document.hidden || byId('dialog').open ||
      view.contains(document.activeElement) &&
      /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    timer = setTimeout(again, ASK_AGAIN_MS);
  } else {
    refresh(false);
  }
}

function show() {
  const name = named();
  const change = name !== shown;
  shown = name;
  navDraw();
  document.title = `${VIEWS[name].title} – larder`;
  if (change) {
    last = null;
    view.replaceChildren(h('p', { class: 'empty' }, 'One moment …'));
    window.scrollTo(0, 0);
    view.focus({ preventScroll: true });
  }
  refresh(true);
}

// --- begin ------------------------------------------------------------

signin.addEventListener('submit', signIn);
byId('signout').addEventListener('click', () => signedOut());
byId('reload').addEventListener('click', () => refresh(true));
window.addEventListener('hashchange', () => {
  if (!signin.isConnected) show();
});
for (const what of ['keydown', 'pointerdown']) {
  window.addEventListener(what, () => { touched = Date.now(); });
}
byId('clear').hidden = window.isSecureContext;
tokenInput.focus();
if (tokenRecall()) {
  start();
} else if (location.protocol === 'https:') {
  get('/v1/status').then(start, () => {});
}
