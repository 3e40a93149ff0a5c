// Dates as people think of them; all of them UTC, by the server's clock.

import { h } from './dom.js';

const UNITS = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];

export const at = (text) => (text ? Date.parse(text) / 1000 : null);

// "12 d", "4 h", "3 min": the largest unit that leaves at least two.
export function span(seconds) {
  const s = Math.abs(Math.round(seconds));
  const unit = UNITS.find(([, len]) => s >= 2 * len) ?? UNITS[3];
  return `${Math.floor(s / unit[1])} ${unit[0]}`;
}

export function away(text, now) {
  const t = at(text);
  if (t === null) return '–';
  return t >= now ? `in ${span(t - now)}` : `${span(t - now)} ago`;
}

export const day = (text) => (text ? text.slice(0, 10) : '–');
export const minute = (text) =>
  (text ? `${text.slice(0, 10)} ${text.slice(11, 16)}` : '–');

// <time> with the distance, and the exact date on hover and for machines.
export function when(text, now) {
  if (!text) return h('span', { class: 'muted' }, '–');
  return h('time', { datetime: text, title: `${minute(text)} UTC` },
    away(text, now));
}
