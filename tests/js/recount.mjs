// Counts an Apache or nginx access log anew, straight from the written rules and sharing nothing with the server:
//   node recount.mjs FILE --domain DOMAIN --keep-bots [--regexes regexes.yaml]
// FILE is plain or gzip. Prints JSON. Only the mode that keeps bots is counted: what a bot is, is a matter of lists.
//
// The rules: a page view is a GET answered 2xx or 304 whose last path segment has no extension or one of a few. A visitor is an
// (address, user agent) within a UTC day. More than 30 minutes without a page view begin a new visit; a visit that crosses midnight
// keeps the visitor it began with. Lines count in order of time, ties in order of the file. A visit belongs to the day it starts,
// page views and visitors to the day of the page view. Referrer and browser are those of the visit's first page view.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parseArgs } from 'node:util';
import yaml from 'js-yaml';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    domain: { type: 'string', default: '' },
    'keep-bots': { type: 'boolean', default: false },
    regexes: { type: 'string', default: new URL('../../.vendor/node_modules/uap-core/regexes.yaml', import.meta.url).pathname },
  },
});
if (positionals.length !== 1 || !options['keep-bots']) {
  console.error('usage: node recount.mjs FILE --domain DOMAIN --keep-bots [--regexes regexes.yaml]');
  process.exit(2);
}

const VISIT_GAP_MS = 30 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;
const PAGE_EXTENSIONS = new Set(['html', 'htm', 'xhtml', 'php', 'asp', 'aspx', 'jsp']);
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"';
const LINE = new RegExp(`^(\\S+) \\S+ .*?\\[([^\\]]+)\\] ${QUOTED} (\\d{3}) (?:\\d+|-)(?: ${QUOTED} ${QUOTED})?\\s*$`);
const TIME = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/;

function instant(text) {
  const match = TIME.exec(text);
  if (!match || !MONTHS.includes(match[2])) return null;
  const [, day, month, year, hour, minute, second, sign, hours, minutes] = match;
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  return Date.UTC(Number(year), MONTHS.indexOf(month), Number(day), Number(hour), Number(minute), Number(second)) - offset * 60_000;
}

function isPage(path) {
  const segment = path.slice(path.lastIndexOf('/') + 1);
  const dot = segment.lastIndexOf('.');
  const extension = dot < 0 ? '' : segment.slice(dot + 1).toLowerCase();
  return extension === '' || PAGE_EXTENSIONS.has(extension);
}

function pathOf(target) {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target);
  const rest = absolute ? target.slice(absolute[0].length) || '/' : target;
  return rest.split(/[?#]/, 1)[0] || '/';
}

const own = options.domain.toLowerCase().replace(/^www\./, '');

function referrerHost(referrer) {
  // By hand: the URL parser of browsers takes the backslashes of an escaped host name for slashes.
  const authority = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:]+)/i.exec(referrer);
  if (!authority) return '';
  const host = authority[1].toLowerCase().replace(/^www\./, '');
  return own && (host === own || host.endsWith(`.${own}`)) ? '' : host;
}

const families = yaml
  .load(readFileSync(options.regexes, 'utf8'))
  .user_agent_parsers.map((rule) => ({ pattern: new RegExp(rule.regex), replacement: rule.family_replacement }));
const known = new Map();

/** The first rule that matches names the family; no rule means no name. */
function browser(agent) {
  if (!known.has(agent)) {
    let family = '';
    for (const { pattern, replacement } of families) {
      const match = pattern.exec(agent);
      if (match) {
        family = replacement ? replacement.replace('$1', match[1] ?? '').trim() : match[1];
        break;
      }
    }
    known.set(agent, family);
  }
  return known.get(agent);
}

const dash = (text) => (text === undefined || text === '-' ? '' : text.replace(/\\(["\\])/g, '$1'));

const raw = readFileSync(positionals[0]);
const text = (raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw).toString('utf8');
const views = [];
let lines = 0;
let broken = 0;
for (const line of text.split('\n')) {
  if (line.trim() === '') continue;
  lines += 1;
  const match = LINE.exec(line);
  const time = match && instant(match[2]);
  if (!match || time === null) {
    broken += 1;
    continue;
  }
  const [, address, , request, status, referrer, agent] = match;
  const [method, target] = request.split(' ');
  if (method !== 'GET' || !target || !(status.startsWith('2') || status === '304')) continue;
  const path = pathOf(target);
  if (isPage(path)) views.push({ time, address, agent: dash(agent), path, referrer: dash(referrer) });
}
views.sort((a, b) => a.time - b.time);

const dayOf = (time) => new Date(Math.floor(time / DAY_MS) * DAY_MS).toISOString().slice(0, 10);
const latest = new Map();
const visits = [];
for (const view of views) {
  const who = `${view.address} ${view.agent}`;
  let visit = latest.get(who);
  if (!visit || view.time - visit.end > VISIT_GAP_MS) {
    visit = {
      visitor: `${dayOf(view.time)} ${who}`,
      start: view.time,
      end: view.time,
      pageviews: 0,
      referrer: referrerHost(view.referrer),
      browser: browser(view.agent),
    };
    latest.set(who, visit);
    visits.push(visit);
  }
  visit.end = view.time;
  visit.pageviews += 1;
  view.visit = visit;
}

const days = new Map();
const day = (time) => {
  const name = dayOf(time);
  if (!days.has(name)) days.set(name, { pageviews: 0, visits: 0, visitors: new Set() });
  return days.get(name);
};
const pages = new Map();
for (const view of views) {
  const bucket = day(view.time);
  bucket.pageviews += 1;
  bucket.visitors.add(view.visit.visitor);
  pages.set(view.path, (pages.get(view.path) ?? 0) + 1);
}
for (const visit of visits) day(visit.start).visits += 1;

function byVisit(key) {
  const rows = new Map();
  for (const visit of visits) {
    const row = rows.get(visit[key]) ?? { visits: 0, pageviews: 0, visitors: new Set() };
    row.visits += 1;
    row.pageviews += visit.pageviews;
    row.visitors.add(visit.visitor);
    rows.set(visit[key], row);
  }
  const ordered = [...rows].sort(([a, x], [b, y]) => y.visitors.size - x.visitors.size || (a < b ? -1 : 1));
  return Object.fromEntries(ordered.map(([name, row]) => [name, { ...row, visitors: row.visitors.size }]));
}

const topPages = [...pages].sort(([a, x], [b, y]) => y - x || (Buffer.compare(Buffer.from(a), Buffer.from(b)))).slice(0, 10);
const bounced = visits.filter((visit) => visit.pageviews === 1).length;
const seconds = visits.reduce((sum, visit) => sum + (visit.end - visit.start) / 1000, 0);
const answer = {
  lines,
  broken,
  pageviews: views.length,
  visits: visits.length,
  visitors: new Set(visits.map((visit) => visit.visitor)).size,
  bounceRate: visits.length === 0 ? null : bounced / visits.length,
  visitDurationSeconds: visits.length === 0 ? null : seconds / visits.length,
  series: [...days]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([date, { pageviews, visits: begun, visitors }]) => ({ date, pageviews, visits: begun, visitors: visitors.size })),
  pages: topPages.map(([path, pageviews]) => ({ path, pageviews })),
  referrers: byVisit('referrer'),
  browsers: byVisit('browser'),
};
console.log(JSON.stringify(answer, null, 2));
