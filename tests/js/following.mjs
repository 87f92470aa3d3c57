// Beacons of visitors, and subscriptions that hear of them: shared by the scripts on streams.
import assert from 'node:assert/strict';
import { WebSocket } from 'ws';

export const EVENTS = 'subscription($id: ID!) { eventTracked(websiteId: $id) { type name path properties } }';
export const LIVE = 'subscription($id: ID!) { liveVisitors(websiteId: $id) { visitors } }';

/** Says messages on a raw connection of a subprotocol, with its pings answered. Answers the code it is closed with, and what was heard. */
export function closed(socket, protocol, messages) {
  return new Promise((resolve, reject) => {
    const raw = new WebSocket(socket, protocol);
    const heard = [];
    raw.on('open', () => messages.forEach((message) => raw.send(typeof message === 'string' ? message : JSON.stringify(message))));
    raw.on('message', (text) => heard.push(JSON.parse(text)));
    raw.on('close', (code) => resolve({ code, heard }));
    raw.on('error', reject);
  });
}

/** What a script on a running installation needs. `code`: the website's tracking code. */
export function following(base, website, code) {
  let number = 0;
  async function beacon(path, visitor = 'visitor-0001') {
    const response = await fetch(`${base}/e/${code}`, {
      method: 'POST',
      headers: {
        origin: 'https://shop.example', 'content-type': 'application/json',
        // The header of Node itself is a bot's.
        'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
      },
      body: JSON.stringify({
        type: 'pageview', event_id: `stream-${++number}-${visitor}`, visitor_id: visitor, session_id: 'session-1234',
        url: `https://shop.example${path}`, device_type: 'desktop', browser: 'Firefox', os: 'Linux',
        user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
      }),
    });
    assert.equal(response.status, 200);
  }

  /** The answers of a subscription, one by one. */
  function heard(client, query) {
    const waiting = [];
    const answers = [];
    const give = (answer) => (waiting.length ? waiting.shift().resolve(answer) : answers.push(answer));
    const stop = client.subscribe({ query, variables: { id: website } }, { next: give, error: (error) => give({ error }), complete() {} });
    const next = async () => {
      if (answers.length) return answers.shift();
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('nothing was heard for five seconds')), 5000);
        waiting.push({ resolve: (answer) => (clearTimeout(timer), resolve(answer)) });
      });
    };
    return { next, stop };
  }

  async function follows(name, client, tag) {
    const live = heard(client, LIVE);
    const before = (await live.next()).data.liveVisitors.visitors;
    const events = heard(client, EVENTS);
    // The stream of events is open once a first one arrives; beacons are sent until then.
    const opening = setInterval(() => beacon(`/${tag}-opening-${number}`, `visitor-${tag}`), 100);
    await events.next();
    clearInterval(opening);
    let count = before;
    while (count < before + 1) count = (await live.next()).data.liveVisitors.visitors;
    const begun = performance.now();
    const isNew = (answer) => answer.data.eventTracked.path === `/${tag}-last`;
    await beacon(`/${tag}-last`, `visitor-${tag}`);
    let answer = await events.next();
    while (!isNew(answer)) answer = await events.next();
    assert.ok(performance.now() - begun < 1000, 'an event took more than a second');
    assert.equal(answer.data.eventTracked.type, 'PAGEVIEW');
    events.stop();
    live.stop();
    console.log(`ok ${name}`);
  }
  return { beacon, heard, follows };
}
