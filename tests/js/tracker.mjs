// The tracker in real browsers, against a running server: node tracker.mjs --server URL --token JWT [--browser NAME ...] [--only NAME ...]
//
// Each scenario gets a website of its own, in Chromium and in Firefox. The token is of a user who may create websites in their default
// team. CHROMIUM and FIREFOX name other browsers than /usr/bin/chromium and /usr/bin/firefox-esr.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import * as footfall from '../../src/tracker/footfall.mjs';
import { World, eventually } from './tracker-world.mjs';

const AT_ONCE = 4; // scenarios
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const track = (page, ...command) => page.evaluate((args) => window.zenovay(...args), command);
const stored = (page) =>
  page.evaluate(() => ({ ...localStorage, ...sessionStorage, ...(document.cookie && { cookie: document.cookie }) }));

const scenarios = {
  async plain(site) {
    const page = await site.open('/?utm_source=letter#top');
    await site.countsAfter(page, { visitors: 1, visits: 1, pageviews: 1, pages: { '/': 1 } });
    const [{ body, headers }] = site.proxy.beacons;
    assert.equal(headers['content-type'], 'text/plain;charset=UTF-8');
    assert.ok(!site.proxy.requests.some((request) => request.startsWith('OPTIONS')), 'a preflight');
    for (const id of ['event_id', 'session_id', 'visitor_id']) assert.match(body[id], UUID);
    assert.ok(Math.abs(body.timestamp - Date.now()) < 60_000);
    const { event_id, session_id, visitor_id, timestamp, sent_at, user_agent, ...rest } = body;
    assert.ok(sent_at >= timestamp && sent_at - timestamp < 60_000);
    assert.deepEqual(rest, {
      type: 'pageview',
      url: site.url('/?utm_source=letter#top'),
      title: 'Page /',
      referrer: '',
      device_type: 'desktop',
      browser: site.world.name === 'firefox' ? 'Firefox' : 'Chrome',
      os: 'Linux',
      screen_resolution: '1280x720',
      language: 'nl-NL',
    });
    assert.ok(user_agent);
  },

  // A framework's kit calls page() on each later route; the tracker has seen the route itself.
  async spa(site) {
    const page = await site.open('/');
    for (const path of ['/a', '/b?tab=1', '/c']) {
      await page.evaluate((to) => {
        history.pushState(null, '', to);
        history.replaceState({ scroll: 0 }, '', to);
        window.zenovay('page');
        document.title = `Route ${to}`;
      }, path);
      await eventually(() => assert.equal(site.proxy.said.at(-1).url, site.url(path)));
    }
    await page.evaluate(() => {
      window.zenovay('page'); // of the same route once more
      location.hash = '#anchor'; // no route change
    });
    await page.evaluate(() => history.go(-2));
    await eventually(() => assert.equal(site.proxy.said.at(-1).url, site.url('/b?tab=1')));
    await page.evaluate(() => history.pushState(null, '', '/d'));
    await eventually(() => assert.equal(site.proxy.said.at(-1).url, site.url('/d')));
    assert.deepEqual(
      site.proxy.said.map(({ url, referrer }) => [url, referrer].map((text) => text.replace(site.url(''), ''))),
      [['/', ''], ['/a', '/'], ['/b?tab=1', '/a'], ['/c', '/b?tab=1'], ['/b?tab=1', '/c'], ['/d', '/b?tab=1']],
    );
    await eventually(async () => {
      const { visitors, visits, pages } = await site.numbers();
      pages['/b'] = Math.min(pages['/b'], 1); // the way back is the server's to drop, within 5 seconds
      assert.deepEqual({ visitors, visits, pages }, { visitors: 1, visits: 1, pages: { '/': 1, '/a': 1, '/b': 1, '/c': 1, '/d': 1 } });
    });
  },

  async 'manual only'(site) {
    site.attributes = 'data-auto="false"';
    const page = await site.open('/');
    await page.evaluate(() => history.pushState(null, '', '/silent'));
    await page.evaluate(() => {
      history.pushState(null, '', '/said');
      window.zenovay('page');
      window.zenovay('page');
    });
    await site.countsAfter(page, { pageviews: 1, pages: { '/said': 1 } });
  },

  async 'cookieless, two pages'(site) {
    site.attributes = 'data-cookieless="true"';
    site.body = '<a href="/second">on</a>';
    const page = await site.open('/');
    assert.match(await track(page, 'getVisitorId'), UUID);
    await page.click('a');
    await page.waitForURL('**/second');
    await site.countsAfter(page, { visitors: 1, visits: 1, pageviews: 2, pages: { '/': 1, '/second': 1 } });
    assert.deepEqual(await stored(page), {});
    assert.ok(site.proxy.beacons.every(({ body, headers }) => !('visitor_id' in body) && !headers.cookie));
  },

  async 'default mode, returning'(site) {
    const context = await site.visitor();
    const page = await site.open('/', context);
    const id = await track(page, 'getVisitorId');
    await page.close();
    const again = await site.open('/again', context);
    assert.equal(await track(again, 'getVisitorId'), id);
    await site.countsAfter(again, { visitors: 1, visits: 1, pageviews: 2 });
    assert.deepEqual([...new Set(site.proxy.said.map((body) => body.visitor_id))], [id]);
    assert.equal(new Set(site.proxy.said.map((body) => body.session_id)).size, 1);
  },

  async 'two tabs'(site) {
    const context = await site.visitor();
    const [one, two] = [await site.open('/one', context), await site.open('/two', context)];
    await Promise.all([track(one, 'track', 'left'), track(two, 'track', 'right')]);
    await site.countsAfter(two, { visitors: 1, visits: 1, pages: { '/one': 1, '/two': 1 }, events: { left: 1, right: 1 } });
    for (const id of ['visitor_id', 'session_id']) assert.equal(new Set(site.proxy.said.map((body) => body[id])).size, 1, id);
  },

  async 'consent required'(site) {
    site.attributes = 'data-consent="required"';
    const page = await site.open('/');
    await track(page, 'consent', 'denied');
    await track(page, 'track', 'refused');
    assert.deepEqual(await stored(page), {});
    await page.goto(site.url('/next')); // leaving sends nothing either
    await track(page, 'track', 'early');
    assert.deepEqual(site.proxy.beacons, []);
    await track(page, 'consent', 'granted');
    await site.countsAfter(page, { visitors: 1, pageviews: 1, pages: { '/next': 1 }, events: { early: 1 } });
    assert.match((await stored(page)).zenovay_vid, /^[0-9a-f-]{36}\./);
    assert.ok(site.proxy.said.every((body) => UUID.test(body.visitor_id)));
    await track(page, 'consent', 'denied');
    assert.deepEqual(await stored(page), {});
  },

  // Without data-consent a refusal means: count, but keep nothing.
  async 'consent denied, then granted'(site) {
    site.before = "zenovay = function () { (zenovay.q = zenovay.q || []).push(arguments) }; zenovay('consent', 'denied')";
    const page = await site.open('/');
    await eventually(() => assert.equal(site.proxy.said.length, 1));
    assert.deepEqual(await stored(page), {});
    assert.ok(!('visitor_id' in site.proxy.said[0]));
    await track(page, 'consent', 'granted');
    await track(page, 'track', 'after');
    await site.countsAfter(page, { pageviews: 1, events: { after: 1 } });
    assert.match(site.proxy.said.at(-1).visitor_id, UUID);
    assert.equal(new Set(site.proxy.said.map((body) => body.session_id)).size, 1);
  },

  async 'privacy control'(site) {
    const context = await site.visitor({ extraHTTPHeaders: { 'Sec-GPC': '1' } });
    await context.addInitScript(() => Object.defineProperty(navigator, 'globalPrivacyControl', { value: true }));
    const page = await site.open('/', context);
    await track(page, 'identify', 'u1', { email: 'u1@else.example' });
    await track(page, 'identify', { email: 'u1@else.example' });
    await site.countsAfter(page, { visitors: 1, pageviews: 1, events: { identify: 1 } });
    assert.deepEqual(await stored(page), {});
    for (const absent of ['visitor_id', 'language', 'timezone']) assert.ok(site.proxy.said.every((body) => !(absent in body)), absent);
    assert.deepEqual(site.proxy.said.filter((body) => body.type === 'identify').map((body) => body.data), [{ user_id: 'u1' }]);
  },

  async 'queue before load'(site) {
    site.before = `
      window.zenovay = function () { (zenovay.q = zenovay.q || []).push(arguments) };
      early = zenovay;
      zenovay('track', 'first', { plan: 'pro' });
      zenovay('page');
      zenovay.q.push(['goal', 'lead', { value: 12.5 }], ['revenue', 49, 'USD', { order_id: 'o1' }]);
      zenovay('identify', { id: 7, email: 'a@else.example', name: 'Ann' });
      zenovay('track', 'funnel_step', 'checkout', { step: 2, step_name: 'address' });
      zenovayQueue = [['older', { n: 1 }]];`;
    site.after = "zenovay.identify('u8', { company: 'Else' }); zenovay.q.push(['track', 'pushed']); early('track', 'kept'); zenovay('plain_name')";
    const page = await site.open('/');
    await track(page, 'track', 'last');
    await eventually(async () => {
      const { pageviews, events } = await site.numbers();
      assert.equal(pageviews, 1);
      for (const name of ['first', 'funnel_step', 'older', 'pushed', 'kept', 'plain_name', 'lead', 'last']) assert.equal(events[name], 1, name);
    });
    const said = site.proxy.said.map(({ type, name, data }) => ({ type, ...(name && { name }), ...(data && { data }) }));
    const inOrder = (list) => list.map((entry) => JSON.stringify(entry)).sort(); // they travel side by side
    assert.deepEqual(inOrder(said), inOrder([
      { type: 'event', name: 'first', data: { plan: 'pro' } },
      { type: 'pageview' },
      { type: 'goal', name: 'lead', data: { value: 12.5 } },
      { type: 'revenue', data: { order_id: 'o1', amount: 49, currency: 'USD' } },
      { type: 'identify', data: { email: 'a@else.example', name: 'Ann', user_id: 7 } },
      { type: 'event', name: 'funnel_step', data: { funnel: 'checkout', step: 2, step_name: 'address' } },
      { type: 'event', name: 'older', data: { n: 1 } },
      { type: 'identify', data: { company: 'Else', user_id: 'u8' } },
      { type: 'event', name: 'pushed' },
      { type: 'event', name: 'kept' },
      { type: 'event', name: 'plain_name' },
      { type: 'event', name: 'last' },
    ]));
  },

  async 'closed at once'(site) {
    const context = await site.visitor();
    site.after = "location.pathname === '/closing' && window.close()";
    const opener = await context.newPage();
    await opener.goto('about:blank');
    await opener.evaluate((url) => void window.open(url), site.url('/closing'));
    await site.counts({ visitors: 1, pageviews: 1, pages: { '/closing': 1 } });
  },

  // More than the browser sends side by side, to a slow server: the rest is handed over while the page goes.
  async 'left at once'(site) {
    site.attributes = 'data-cookieless="true"'; // no storage to fall back on
    site.proxy.behave = () => new Promise((resolve) => setTimeout(resolve, 500));
    site.after = `if (location.pathname === '/') {
      for (let n = 1; n <= 12; n++) zenovay('track', 'bye_' + n);
      location.replace('/there');
    }`;
    const context = await site.visitor();
    const page = await context.newPage();
    await page.goto(site.url('/'), { waitUntil: 'commit' });
    await page.waitForURL('**/there');
    const events = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`bye_${n + 1}`, 1]));
    await site.countsAfter(page, { pageviews: 2, pages: { '/': 1, '/there': 1 }, events });
  },

  async 'server away for ten seconds'(site) {
    const page = await site.open('/');
    await eventually(() => assert.equal(site.proxy.beacons[0]?.status, 200));
    await site.proxy.close();
    const gone = Date.now();
    await track(page, 'track', 'meanwhile');
    await page.evaluate(() => history.pushState(null, '', '/meanwhile'));
    await eventually(async () => assert.match((await stored(page))[`zenovay_queue_${site.code}`], /meanwhile/));
    await eventually(() => assert.ok(Date.now() - gone > 10_000)); // what the scenario is about
    await site.proxy.open();
    await site.counts({ visitors: 1, visits: 1, pageviews: 2, pages: { '/': 1, '/meanwhile': 1 }, events: { meanwhile: 1 } });
    await eventually(async () => assert.ok(!(`zenovay_queue_${site.code}` in (await stored(page)))));
  },

  // Refused twice, then taken but not answered, then answered: four times the same id, counted once.
  async 'retries keep the id'(site) {
    const fates = [503, 429, 'lose'];
    site.proxy.behave = ({ body }) => body.name === 'stubborn' && fates.shift();
    const page = await site.open('/');
    await track(page, 'track', 'stubborn');
    await eventually(() => assert.equal(site.proxy.beacons.filter(({ body }) => body.name === 'stubborn').length, 4));
    await site.countsAfter(page, { pageviews: 1, events: { stubborn: 1 } });
    assert.equal(new Set(site.proxy.beacons.filter(({ body }) => body.name === 'stubborn').map((beacon) => beacon.id)).size, 1);
  },

  async 'retries on the next page'(site) {
    site.proxy.behave = ({ body }) => body.url.endsWith('/') && 503;
    const page = await site.open('/');
    await track(page, 'track', 'early');
    await eventually(async () => assert.match((await stored(page))[`zenovay_queue_${site.code}`], /early/));
    await page.goto(site.url('/next'));
    site.proxy.behave = () => undefined;
    await site.countsAfter(page, { pageviews: 2, pages: { '/': 1, '/next': 1 }, events: { early: 1 } });
  },

  async 'refused for ever'(site) {
    site.proxy.behave = ({ body }) => body.name === 'wrong' && 400;
    const page = await site.open('/');
    await page.evaluate(() => (window.zenovay('track', 'wrong'), window.zenovay('track', 'circular', { window })));
    await eventually(() => assert.ok(site.proxy.beacons.some(({ status }) => status === 400)));
    await site.countsAfter(page, { pageviews: 1 });
    assert.equal(site.proxy.beacons.filter(({ body }) => body.name === 'wrong').length, 1);
  },

  async 'restrictive CSP'(site) {
    const { origin } = site.proxy;
    site.csp = `default-src 'none'; script-src ${origin}; connect-src ${origin}`;
    const page = await site.open('/');
    await site.countsAfter(page, { pageviews: 1 });
  },

  async 'CSP that forbids sending'(site) {
    site.csp = `default-src 'none'; script-src ${site.proxy.origin} 'unsafe-inline'`;
    site.after = "zenovay('track', 'blocked')";
    const page = await site.open('/');
    await eventually(async () => assert.match((await stored(page))[`zenovay_queue_${site.code}`], /blocked/));
    assert.deepEqual(site.proxy.beacons, []);
  },

  async 'captured by itself'(site) {
    site.body = `
      <a id="out" href="https://else.shop.example/x?y=1" onclick="return false"> Elsewhere </a>
      <a id="file" href="/files/price%20list.PDF" onclick="return false">Prices</a>
      <a id="in" href="#here">Here</a>
      <form id="f" name="contact" action="/send" onsubmit="return false">
        <input name="id"><input name="email" value="secret@else.example"><textarea></textarea><button>Send</button>
      </form>
      <div style="height: 7000px"></div>`;
    const page = await site.open('/');
    for (const selector of ['#out', '#file', '#in', 'button']) await page.click(selector);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight * 0.55));
    await eventually(() => assert.equal(site.proxy.said.at(-1).data?.depth, 50));
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await eventually(() => assert.equal(site.proxy.said.at(-1).data?.depth, 100));
    await page.evaluate(() => scrollTo(0, 300));
    const events = { outbound_link: 1, file_download: 1, form_submit: 1, scroll_milestone: 5 };
    await site.countsAfter(page, { pageviews: 1, events });
    assert.deepEqual(
      site.proxy.said.filter((body) => body.name !== 'last').slice(1).map((body) => body.data),
      [
        { url: 'https://else.shop.example/x?y=1', text: 'Elsewhere' },
        { url: site.url('/files/price%20list.PDF') },
        { form_id: 'f', form_name: 'contact', form_action: '/send', field_count: 3 },
        ...[25, 50, 75, 90, 100].map((depth) => ({ depth })),
      ],
    );
  },

  async 'capturing switched off'(site) {
    site.attributes = 'data-outbound="false" data-downloads="false" data-forms="false" data-scroll="false"';
    site.body = `<a href="https://else.shop.example/" onclick="return false">out</a><a id="file" href="/a.zip" onclick="return false">a</a>
      <form onsubmit="return false"><button>Send</button></form><div style="height: 3000px"></div>`;
    const page = await site.open('/');
    for (const selector of ['a', '#file', 'button']) await page.click(selector);
    await page.evaluate(() => new Promise((done) => (addEventListener('scroll', done), scrollTo(0, 9e3))));
    await site.countsAfter(page, { pageviews: 1 });
  },

  async heartbeats(site) {
    site.before = 'ZENOVAY_TRACKER_CONFIG = { heartbeatSeconds: 0.5 }';
    site.body = '<style>* { margin: 0 }</style><div style="height: 7200px"></div>';
    const page = await site.open('/');
    const latest = () => site.proxy.heartbeats.at(-1);
    await eventually(() => assert.ok(latest()?.duration >= 1));
    assert.deepEqual([latest().had_interaction, latest().scroll_depth], [false, 10]);
    await page.mouse.click(5, 5);
    await page.evaluate(() => scrollTo(0, 2880));
    await eventually(() => assert.deepEqual([latest().had_interaction, latest().scroll_depth], [true, 50]));
    await page.evaluate(() => scrollTo(0, 1e6));
    await page.goto('about:blank');
    await eventually(() => assert.equal(latest().scroll_depth, 100));
    await eventually(() => assert.ok(site.proxy.beacons.every(({ status }) => status === 200)));
    const durations = site.proxy.heartbeats.map(({ duration }) => duration);
    assert.ok(durations.every(Number.isInteger));
    assert.deepEqual(durations, [...durations].sort((a, b) => a - b));
    const { event_id, session_id, visitor_id, ...rest } = latest();
    assert.ok([event_id, session_id, visitor_id].every((id) => UUID.test(id)));
    assert.deepEqual(Object.keys(rest).sort(), ['duration', 'had_interaction', 'scroll_depth', 'sent_at', 'url', 'user_agent']);
    assert.equal(rest.user_agent, site.proxy.said[0].user_agent);
    await site.counts({ visitors: 1, visits: 1, pageviews: 1, pages: { '/': 1 } });
  },

  async 'the script twice'(site) {
    const tag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(site), 'tag').get;
    Object.defineProperty(site, 'tag', { get: () => tag.call(site).repeat(2) });
    const page = await site.open('/');
    await page.evaluate(() => history.pushState(null, '', '/next'));
    await site.countsAfter(page, { pageviews: 2, pages: { '/': 1, '/next': 1 } });
    assert.equal(site.proxy.said.length, 3);
  },

  async 'disable and enable'(site) {
    const context = await site.visitor();
    const page = await site.open('/', context);
    await eventually(() => assert.equal(site.proxy.beacons[0]?.status, 200));
    await track(page, 'disable');
    await track(page, 'track', 'unheard');
    await page.goto(site.url('/unseen'));
    await page.goto(site.url('/next'));
    await track(page, 'enable');
    await site.countsAfter(page, { visitors: 1, pageviews: 2, pages: { '/': 1, '/next': 1 } });
  },

  async reset(site) {
    const page = await site.open('/');
    const [before, , after] = [await track(page, 'getVisitorId'), await page.evaluate(() => window.zenovay.reset()), await track(page, 'getVisitorId')];
    assert.notEqual(before, after);
    await site.countsAfter(page, { pageviews: 1 });
    assert.equal(site.proxy.said.at(-1).visitor_id, after);
  },

  async 'storage and history broken'(site) {
    site.before = `
      for (const area of ['localStorage', 'sessionStorage'])
        Object.defineProperty(window, area, { get() { throw new DOMException('no', 'SecurityError') } });
      Object.defineProperty(history, 'pushState', { value: null });
      Object.freeze(history);`;
    const page = await site.open('/');
    await site.countsAfter(page, { visitors: 1, pageviews: 1 });
  },

  // An id that is not kept would be a new visitor on every page.
  async 'storage forbidden, three pages'(site) {
    site.before = `for (const area of ['localStorage', 'sessionStorage'])
      Object.defineProperty(window, area, { get() { throw new DOMException('denied', 'SecurityError') } });`;
    const page = await site.open('/1');
    for (const path of ['/2', '/3']) await page.goto(site.url(path));
    await site.countsAfter(page, { visitors: 1, visits: 1, pageviews: 3, pages: { '/1': 1, '/2': 1, '/3': 1 } });
    assert.ok(site.proxy.beacons.every(({ body }) => !('visitor_id' in body) && UUID.test(body.session_id)));
  },

  // The address of a search follows what is typed; it stays one page, and a bounce.
  async typing(site) {
    const page = await site.open('/');
    await page.evaluate(async () => {
      for (const text of ['c', 'co', 'cof', 'coff', 'coffe', 'coffee']) {
        history.replaceState(null, '', `?q=${text}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    await site.counts({ visits: 1, pageviews: 1, bounceRate: 1, pages: { '/': 1 } });
    await page.evaluate(() => history.pushState(null, '', '/found?q=coffee'));
    await eventually(() => assert.equal(site.proxy.said.at(-1).url, site.url('/found?q=coffee')));
    assert.deepEqual(site.proxy.said.map(({ url, referrer }) => [url, referrer]), [
      [site.url('/'), ''],
      [site.url('/found?q=coffee'), site.url('/')],
    ]);
  },

  async 'hash routes'(site) {
    const page = await site.open('/app');
    for (const route of ['#/', '#/about', '#anchor', '#/contact?x=1', '#/contact?x=2', '#!/old']) {
      await page.evaluate((to) => (location.hash = to), route);
      if (/^#!?\//.test(route) && !route.endsWith('x=2')) await eventually(() => assert.ok(site.proxy.said.at(-1).url.endsWith(route)));
    }
    const pages = { '/app': 2, '/app#/': 1, '/app#/about': 1, '/app#/contact': 1, '/app#!/old': 1 };
    await site.counts({ visits: 1, pageviews: 6, pages });
  },

  // A title belongs to the page that set it, however late.
  async 'title comes later'(site) {
    const page = await site.open('/');
    const titles = () => site.proxy.said.map(({ url, title }) => [url.replace(site.url(''), ''), title]);
    const go = (path, title, wait) =>
      page.evaluate(([to, text, delay]) => {
        history.pushState(null, '', to);
        if (text) setTimeout(() => (document.title = text), delay);
      }, [path, title, wait]);
    await go('/next', 'next', 50);
    await eventually(() => assert.deepEqual(titles().at(-1), ['/next', 'next']));
    await go('/same');
    await eventually(() => assert.deepEqual(titles().at(-1), ['/same', 'next'])); // a page without a title of its own
    await page.evaluate(() => {
      history.pushState(null, '', '/skipped');
      setTimeout(() => history.pushState(null, '', '/after'), 20);
      setTimeout(() => (document.title = 'after'), 60);
    });
    await eventually(() => assert.deepEqual(titles().slice(-2).sort(), [['/after', 'after'], ['/skipped', undefined]]));
    await page.evaluate(() => history.pushState(null, '', '/left'));
    await page.goto(site.url('/bye'));
    await eventually(() => assert.deepEqual(titles().find(([path]) => path === '/left'), ['/left', undefined]));
    await site.counts({ pageviews: 7, pages: { '/': 1, '/next': 1, '/same': 1, '/skipped': 1, '/after': 1, '/left': 1, '/bye': 1 } });
  },

  async 'links of every kind'(site) {
    site.body = `
      <svg width="99" height="20"><a href="https://else.example/svg" onclick="return false"><text y="15">in SVG</text></a></svg>
      <svg width="99" height="20"><a xlink:href="https://else.example/xlink" onclick="return false"><text y="15">old SVG</text></a></svg>
      <map name="m"><area href="https://else.example/area" onclick="return false"></map>
      <a class="no-address">not a link</a>
      <x-link></x-link>
      <script>document.querySelector('x-link').attachShadow({ mode: 'open' }).innerHTML =
        '<a href="https://else.example/shadow" onclick="return false"><b>in a shadow</b></a>';</script>`;
    const page = await site.open('/');
    await page.evaluate(() => {
      const targets = [...document.querySelectorAll('text, area, .no-address'), document.querySelector('x-link').shadowRoot.querySelector('b')];
      for (const target of targets) target.dispatchEvent(new MouseEvent('click', { bubbles: true, composed: true, cancelable: true }));
    });
    await site.countsAfter(page, { pageviews: 1, events: { outbound_link: 4 } });
    const links = site.proxy.said.filter(({ name }) => name === 'outbound_link').map(({ data }) => `${data.url} ${data.text}`);
    assert.deepEqual(links.sort(), [
      'https://else.example/area ',
      'https://else.example/shadow in a shadow',
      'https://else.example/svg in SVG',
      'https://else.example/xlink old SVG',
    ]);
  },

  async 'two websites'(site) {
    const other = await site.sibling();
    const tags = site.tag + site.tagOf(other.code) + site.tag;
    Object.defineProperty(site, 'tag', { get: () => tags });
    site.before = "zenovay = function () { (zenovay.q = zenovay.q || []).push(arguments) }; zenovay('track', 'early'); early = zenovay";
    const page = await site.open('/');
    await page.evaluate(() => {
      history.pushState(null, '', '/next');
      early('track', 'kept');
      window.zenovay.track('called');
    });
    await track(page, 'track', 'last');
    const expected = { visitors: 1, visits: 1, pageviews: 2, pages: { '/': 1, '/next': 1 }, events: { early: 1, kept: 1, called: 1, last: 1 } };
    await site.counts(expected);
    await site.counts(expected, other.id);
    assert.equal(site.proxy.said.length, 12);
    await track(page, 'consent', 'denied');
    assert.deepEqual(await stored(page), {});
  },

  async 'an automated browser'(site) {
    const page = await site.open('/', await site.visitor({ webdriver: true }));
    await page.mouse.click(5, 5);
    await page.goto('about:blank');
    // A beacon that is handed over once more on leaving is a duplicate, and one that overtakes its page view has no visit yet: none counts.
    const fates = () => site.proxy.beacons.map(({ dropped }) => dropped);
    await eventually(() => assert.ok(fates().includes('Bot') && fates().every(Boolean), fates().join()));
    assert.ok(site.proxy.beacons.every(({ body }) => body.webdriver === true));
    await site.counts({ visitors: 0, pageviews: 0 });
  },

  async 'a refusal is explained'(site) {
    site.code = 'ZV_unknown';
    const page = await site.open('/');
    await track(page, 'track', 'also');
    await eventually(() => assert.equal(site.proxy.beacons.filter(({ status }) => status === 401).length, 2));
    const explained = () => site.console.filter((text) => text.startsWith('Footfall'));
    await eventually(() => assert.match(explained()[0] ?? '', /401.*Unknown tracking code/));
    assert.equal(explained().length, 1);
  },

  async 'a local page is told of allowLocalhost'(site) {
    site.world.sites.set('localhost', site);
    const page = await (await site.visitor()).newPage();
    await page.goto(`http://localhost:${site.world.port}/`);
    const explained = () => site.console.find((text) => text.startsWith('Footfall'));
    await eventually(() => assert.match(explained() ?? '', /403.*allowLocalhost/));
  },

  // Firefox then hides the origin of what it sends while a page is left.
  async 'referrer policies'(site) {
    for (const policy of ['no-referrer', 'same-origin']) {
      site.policy = policy;
      const page = await site.open(`/${policy}`);
      await eventually(() => assert.ok(site.proxy.beacons.every(({ status }) => status === 200)));
      await page.mouse.click(5, 5);
      await page.goto('about:blank');
      const left = () => site.proxy.beacons.find(({ body }) => body.had_interaction && body.url.endsWith(policy));
      await eventually(() => assert.equal(left()?.status, 200));
      assert.equal(left().dropped, undefined);
      if (site.world.name === 'firefox') assert.equal(left().headers.origin, 'null');
    }
    assert.ok(site.proxy.beacons.every(({ status }) => status === 200));
  },

  // Nothing can be sent then; the page must not notice.
  async 'everything broken'(site) {
    site.before = `
      const fail = () => { throw new Error('broken by the page') };
      addEventListener('unhandledrejection', () => document.title = 'rejected');
      JSON = { get stringify() { fail() }, get parse() { fail() } };
      fetch = navigator.sendBeacon = crypto.getRandomValues = Date.now = fail;`;
    site.after = `
      history.pushState(null, '', '/on');
      zenovay('track', 'x'); zenovay('identify', null); zenovay('revenue', Symbol()); zenovay(); zenovay({}); zenovay.q.push(null, 1);
      zenovay('__proto__'); zenovay('constructor');`;
    const page = await site.open('/');
    await page.mouse.click(5, 5);
    await page.evaluate(() => dispatchEvent(new Event('pagehide')));
    assert.equal(await page.title(), 'Page /');
    assert.equal(new URL(await page.url()).pathname, '/on');
  },

  async 'first-party address'(site) {
    site.attributes = `data-api-url="http://first-party.shop.example:${site.proxy.port}/"`;
    const page = await site.open('/');
    await site.countsAfter(page, { pageviews: 1 });
    assert.ok(site.proxy.beacons.every(({ headers }) => headers.host.startsWith('first-party.')));
  },

  async module(site) {
    footfall.init('ZV_x'); // on a server nothing happens
    for (const command of ['page', 'track', 'identify', 'goal', 'revenue', 'enable', 'disable']) assert.equal(footfall[command]('x'), undefined);
    Object.defineProperty(site, 'tag', {
      get: () => `<script type="module">
        import * as footfall from '${site.proxy.origin}/footfall.mjs';
        footfall.init('${site.code}', { cookieless: true });
        footfall.init('${site.code}');
        footfall.page();
        footfall.track('imported', { plan: 'pro' });
        footfall.goal('lead');
        window.tags = () => document.querySelectorAll('script[src]').length;
      </script>`,
    });
    const page = await site.open('/');
    await page.waitForFunction(() => window.zenovay?.loaded);
    assert.equal(await page.evaluate('tags()'), 1);
    await track(page, 'track', 'last');
    await eventually(async () => {
      const { pageviews, events } = await site.numbers();
      assert.deepEqual([pageviews, events.imported, events.lead, events.last], [1, 1, 1, 1]);
    });
    assert.deepEqual(await stored(page), {});
  },
};

const { values: options } = parseArgs({
  options: {
    server: { type: 'string' },
    token: { type: 'string' },
    browser: { type: 'string', multiple: true, default: ['chromium', 'firefox'] },
    only: { type: 'string', multiple: true },
  },
});
if (!options.server || !options.token) {
  console.error('usage: node tracker.mjs --server URL --token JWT [--browser NAME ...] [--only NAME ...]');
  process.exit(2);
}

const wanted = Object.keys(scenarios).filter((name) => !options.only || options.only.includes(name));
let failed = wanted.length ? 0 : 1;

async function run(world, name) {
  let site;
  try {
    site = await world.scenario(name.replace(/\W+/g, '-').toLowerCase());
    await scenarios[name](site);
    assert.deepEqual(site.faults, [], 'errors in the page');
    console.log(`ok ${world.name}: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${world.name}: ${name}: ${error.message.replace(/\s*\n\s*/g, ' ')}`);
  } finally {
    await site?.end();
  }
}

for (const browser of options.browser) {
  const world = await World.start(options.server, options.token, browser);
  const names = [...wanted];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let name; (name = names.shift()); ) await run(world, name);
  }));
  await world.stop();
}
process.exit(failed ? 1 : 0);
