// What a scenario of tracker.mjs lives in: a website on the server, pages to visit, and a proxy in front of the server that can fail.
//
// - Playwright drives Chromium; firefox.mjs drives Firefox the same way, as far as the scenarios need it.
// - Pages are plain http on NAME.shop.example, so no secure context: what an intranet page has, and the harder case.
// - Numbers are asked of the server by GraphQL; the proxy only adds what no answer tells, such as ids and content types.
import assert from 'node:assert/strict';
import http from 'node:http';
import { chromium } from 'playwright-core';
import { Firefox } from './firefox.mjs';

const DEADLINE = 30_000;
// Headless Chromium says so in its user agent, and the server takes it for the robot that it is. An argument of the browser, since what is
// set for a page does not reach what it sends while it is left.
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36';

const BROWSERS = {
  chromium: () =>
    chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
        ...['--disable-background-networking', '--disable-component-update'],
        '--host-resolver-rules=MAP *.shop.example 127.0.0.1',
        `--user-agent=${AGENT}`,
      ],
    }),
  firefox: () => Firefox.launch(process.env.FIREFOX ?? '/usr/bin/firefox-esr'),
};

// Runs `look` until it throws no more, or throws what it threw last.
export async function eventually(look, deadline = DEADLINE) {
  for (const end = Date.now() + deadline; ; ) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function listen(server, port = 0) {
  return new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server.address().port)));
}

async function bodyOf(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

// Forwards to `target`. `behave(beacon)` may give a status to answer instead, or 'lose': forwarded, but the answer is lost.
class Proxy {
  beacons = []; // { id, heartbeat, body, headers, status, dropped }
  requests = [];
  behave = () => undefined;

  constructor(target) {
    this.target = target;
  }

  async open() {
    this.server = http.createServer((request, response) => this.forward(request, response).catch(() => response.destroy()));
    this.port = await listen(this.server, this.port);
    this.origin = `http://stats.shop.example:${this.port}`;
  }

  async close() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  async forward(request, response) {
    const text = await bodyOf(request);
    this.requests.push(`${request.method} ${request.url}`);
    let beacon;
    if (request.method === 'POST') {
      const body = JSON.parse(text);
      beacon = { id: body.event_id, heartbeat: request.url.includes('/heartbeat/'), body, headers: request.headers };
      this.beacons.push(beacon);
    }
    const behaviour = beacon && (await this.behave(beacon));
    if (typeof behaviour === 'number') {
      beacon.status = behaviour;
      response.writeHead(behaviour, { 'access-control-allow-origin': '*' }).end();
      return;
    }
    const headers = { ...request.headers, host: this.target.host };
    const onward = http.request(new URL(request.url, this.target), { method: request.method, headers });
    const answer = await new Promise((resolve, reject) => onward.on('response', resolve).on('error', reject).end(text));
    const answered = await bodyOf(answer);
    if (beacon) Object.assign(beacon, { status: answer.statusCode, dropped: answer.headers['x-footfall-dropped'] });
    if (behaviour === 'lose') response.destroy();
    else response.writeHead(answer.statusCode, answer.headers).end(answered);
  }

  get said() {
    return this.once(false);
  }

  get heartbeats() {
    return this.once(true);
  }

  // Each once and in the order of its first arrival: what was on its way when the page was left is handed over a second time.
  once(heartbeat) {
    const sent = this.beacons.filter((beacon) => beacon.heartbeat === heartbeat);
    return [...new Map(sent.map((beacon) => [beacon.id, beacon.body])).values()];
  }
}

export class World {
  sites = new Map(); // by host name
  run = Date.now().toString(36);

  static async start(server, token, browser) {
    const world = new World();
    Object.assign(world, { server: new URL(server), token, name: browser });
    world.pages = http.createServer((request, response) => world.serve(request, response));
    world.port = await listen(world.pages);
    world.browser = await BROWSERS[browser]();
    return world;
  }

  async stop() {
    await this.browser.close();
    this.pages.close();
    this.pages.closeAllConnections();
  }

  serve(request, response) {
    const { hostname, pathname } = new URL(request.url, `http://${request.headers.host}`);
    const { html, csp, policy } = this.sites.get(hostname)?.page(pathname) ?? {};
    const headers = {
      'content-type': 'text/html',
      ...(csp && { 'content-security-policy': csp }),
      ...(policy && { 'referrer-policy': policy }),
    };
    response.writeHead(html === undefined ? 404 : 200, headers).end(html);
  }

  async graphql(query, variables) {
    const answer = await fetch(new URL('/graphql', this.server), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${this.token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await answer.json();
    assert.ok(data && !errors, JSON.stringify(errors));
    return data;
  }

  async website(domain) {
    const input = { domain, name: domain, timezone: 'UTC' };
    const made = await this.graphql(
      'mutation($input: WebsiteCreateInput!) { websiteCreate(input: $input) { website { id trackingCode } } }',
      { input },
    );
    const { id, trackingCode: code } = made.websiteCreate.website;
    return { id, code };
  }

  async scenario(name) {
    const domain = `${name}-${this.name}-${this.run}.shop.example`;
    const { id, code } = await this.website(domain);
    const scenario = new Scenario();
    Object.assign(scenario, { world: this, id, code, domain, proxy: new Proxy(this.server) });
    await scenario.proxy.open();
    this.sites.set(domain, scenario);
    return scenario;
  }
}

// One scenario's website. `attributes`, `before`, `after`, `body`, `csp` and `policy` say what its pages look like.
class Scenario {
  attributes = '';
  before = ''; // script that runs before the tracker is loaded
  after = ''; // script that runs after it
  body = '';
  faults = []; // what reached the page's error handlers
  console = []; // what was written to the console
  contexts = [];

  get tag() {
    return this.tagOf(this.code);
  }

  tagOf(code) {
    return `<script data-id="${code}" ${this.attributes} src="${this.proxy.origin}/z.js"></script>`;
  }

  page(path) {
    if (path === '/favicon.ico') return undefined;
    const script = (text) => (text ? `<script>${text}</script>` : '');
    const head = `<title>Page ${path}</title>${script(this.before)}${this.tag}${script(this.after)}`;
    return { html: `<!doctype html><html><head>${head}</head><body>${this.body}</body></html>`, csp: this.csp, policy: this.policy };
  }

  // `webdriver`: whether the browser says that it is driven, as it would by itself.
  async visitor({ webdriver, ...options } = {}) {
    const agent = this.world.name === 'chromium' && { locale: 'nl-NL' };
    const context = await this.world.browser.newContext({ ...agent, ...options });
    this.contexts.push(context);
    if (!webdriver) await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => false }));
    context.on('console', (message) => this.console.push(message.text()));
    context.on('weberror', (error) => this.faults.push(error.error().message));
    return context;
  }

  // A new tab at `path`: of `context`, else of a new visitor.
  async open(path = '/', context) {
    const page = await (context ?? (await this.visitor())).newPage();
    await page.goto(this.url(path));
    return page;
  }

  url(path) {
    return `http://${this.domain}:${this.world.port}${path}`;
  }

  // Another website of the same team that this one's pages may send for.
  async sibling() {
    const { id, code } = await this.world.website(`sibling-${this.domain}`);
    await this.world.graphql(
      'mutation($id: ID!, $input: WebsiteUpdateDomainsInput!) { websiteUpdateDomains(websiteId: $id, input: $input) { website { id } } }',
      { id, input: { allowedDomains: [this.domain] } },
    );
    return { id, code };
  }

  // What the server answers: totals, page views by path, events by name.
  async numbers(id = this.id) {
    const { website } = await this.world.graphql(
      `query($id: ID!) { website(id: $id) { analytics(range: {preset: LAST_24_HOURS}) {
        totals { visitors visits pageviews events bounceRate visitDurationSeconds }
        breakdown(by: PAGE, first: 100) { nodes { value metrics { pageviews visitors } } }
        ev: breakdown(by: EVENT, first: 100) { nodes { value metrics { events } } }
      } } }`,
      { id },
    );
    const { totals, breakdown, ev } = website.analytics;
    const { visitors, visits, pageviews, bounceRate, visitDurationSeconds } = totals;
    const pages = Object.fromEntries(breakdown.nodes.map((row) => [row.value, row.metrics.pageviews]));
    const events = Object.fromEntries(ev.nodes.map((row) => [row.value, row.metrics.events]));
    return { visitors, visits, pageviews, bounceRate, visitDurationSeconds, pages, events };
  }

  // Waits until the server's numbers are these; fields left out do not matter, `pages` and `events` must be complete.
  async counts(expected, id) {
    await eventually(async () => {
      const numbers = await this.numbers(id);
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, numbers[key]])), expected);
    });
  }

  // The same, once a last event that the page sends now has arrived: what was to come before it has come.
  async countsAfter(page, expected) {
    await page.evaluate(() => window.zenovay('track', 'last'));
    await eventually(async () => assert.equal((await this.numbers()).events.last, 1));
    await eventually(() => assert.ok(this.proxy.beacons.every((beacon) => beacon.status)));
    await this.counts({ ...expected, events: { ...expected.events, last: 1 } });
  }

  async end() {
    await Promise.all(this.contexts.map((context) => context.close()));
    await this.proxy.close();
  }
}
