// Subscriptions by the clients people use, and the close codes of graphql-transport-ws: node streams.mjs URL TOKEN WEBSITE CODE
import assert from 'node:assert/strict';
import { createClient as createWs } from 'graphql-ws';
import { createClient as createSse } from 'graphql-sse';
import { WebSocket } from 'ws';

const [base, token, website, code] = process.argv.slice(2);
const socket = `${base.replace('http', 'ws')}/graphql/ws`;
const EVENTS = 'subscription($id: ID!) { eventTracked(websiteId: $id) { type name path properties } }';
const LIVE = 'subscription($id: ID!) { liveVisitors(websiteId: $id) { liveCount } }';

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
  const before = (await live.next()).data.liveVisitors.liveCount;
  const events = heard(client, EVENTS);
  // The stream of events is open once a first one arrives; beacons are sent until then.
  const opening = setInterval(() => beacon(`/${tag}-opening-${number}`, `visitor-${tag}`), 100);
  await events.next();
  clearInterval(opening);
  let count = before;
  while (count < before + 1) count = (await live.next()).data.liveVisitors.liveCount;
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

/** Says messages on a raw connection; answers the code it is closed with. */
function closedWith(messages, protocol = 'graphql-transport-ws') {
  return new Promise((resolve, reject) => {
    const raw = new WebSocket(socket, protocol);
    raw.on('open', () => messages.forEach((message) => raw.send(typeof message === 'string' ? message : JSON.stringify(message))));
    raw.on('close', (closed) => resolve(closed));
    raw.on('error', reject);
  });
}

const init = { type: 'connection_init', payload: { Authorization: `Bearer ${token}` } };
const subscribe = (id, query = LIVE) => ({ type: 'subscribe', id, payload: { query, variables: { id: website } } });
for (const [messages, expected, protocol] of [
  [['no json'], 4400],
  [[{ type: 'unheard of' }], 4400],
  [[subscribe('1')], 4401],
  [[{ type: 'connection_init', payload: { Authorization: 'nonsense' } }], 4403],
  [[{ type: 'connection_init', payload: { Authorization: `Bearer ${token}x` } }], 4403],
  [[{ type: 'connection_init', payload: { 'X-API-Key': 'zv_unknown' } }], 4403],
  [[init, subscribe('1'), subscribe('1')], 4409],
  [[init, init], 4429],
  [[], 4408],
  [[init], 4406, 'graphql-ws'],
]) {
  assert.equal(await closedWith(messages, protocol).catch((error) => (protocol ? 4406 : Promise.reject(error))), expected);
}
// A client that closes hears its own frame back; without one its library reports 1006, a broken connection.
for (const messages of [[], [init]]) {
  const closed = await new Promise((resolve, reject) => {
    const raw = new WebSocket(socket, 'graphql-transport-ws');
    raw.on('open', () => {
      messages.forEach((message) => raw.send(JSON.stringify(message)));
      if (!messages.length) raw.close(1000, 'done');
    });
    raw.on('message', () => raw.close(1000, 'done'));
    raw.on('close', resolve);
    raw.on('error', reject);
  });
  assert.equal(closed, 1000);
}
console.log('ok close codes');

const ws = createWs({ url: socket, webSocketImpl: WebSocket, connectionParams: { Authorization: `Bearer ${token}` }, retryAttempts: 0, lazyCloseTimeout: 10_000 });
await follows('graphql-ws', ws, 'ws');
const query = heard(ws, 'query($id: ID!) { website(id: $id) { domain } }');
const answer = await query.next();
assert.equal(answer.data?.website.domain, 'shop.example', JSON.stringify(answer));
const wrong = heard(ws, 'subscription { liveVisitors(websiteId: "nonsense") { liveCount } }');
const said = await wrong.next();
assert.ok(JSON.stringify(said).includes('VALIDATION_ERROR'), JSON.stringify(said));
await ws.dispose();
console.log('ok queries and errors over WebSocket');

const sse = createSse({ url: `${base}/graphql`, headers: { Authorization: `Bearer ${token}` }, retryAttempts: 0 });
await follows('graphql-sse', sse, 'sse');
sse.dispose();

const anonymous = createWs({ url: socket, webSocketImpl: WebSocket, retryAttempts: 0 });
const refused = await heard(anonymous, EVENTS).next();
assert.ok(JSON.stringify(refused).includes('UNAUTHORIZED'), JSON.stringify(refused));
await anonymous.dispose();
console.log('ok nobody listens without access');
process.exit(0);
