// Subscriptions by the clients people use, and the close codes of graphql-transport-ws: node streams.mjs URL TOKEN WEBSITE CODE
import assert from 'node:assert/strict';
import { createClient as createWs } from 'graphql-ws';
import { createClient as createSse } from 'graphql-sse';
import { WebSocket } from 'ws';
import { EVENTS, LIVE, closed, following } from './following.mjs';

const [base, token, website, code] = process.argv.slice(2);
const socket = `${base.replace('http', 'ws')}/graphql/ws`;
const { heard, follows } = following(base, website, code);

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
  [[init], 4406, 'graphql-unheard-of'],
]) {
  const ended = closed(socket, protocol ?? 'graphql-transport-ws', messages).then(({ code }) => code);
  assert.equal(await ended.catch((error) => (protocol ? 4406 : Promise.reject(error))), expected);
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
const wrong = heard(ws, 'subscription { liveVisitors(websiteId: "nonsense") { visitors } }');
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
