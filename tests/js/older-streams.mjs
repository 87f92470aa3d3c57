// Subscriptions by the client that subscriptions-transport-ws has, and hostile connections of its subprotocol, graphql-ws:
// node older-streams.mjs URL TOKEN WEBSITE CODE. Signs the token's session out in the end.
import assert from 'node:assert/strict';
import { SubscriptionClient } from 'subscriptions-transport-ws';
import { WebSocket } from 'ws';
import { EVENTS, LIVE, closed, following } from './following.mjs';

const [base, token, website, code] = process.argv.slice(2);
const socket = `${base.replace('http', 'ws')}/graphql/ws`;
const { heard, follows } = following(base, website, code);
const MAX_OPERATIONS = 100;

/** The package's client, with the face of newer ones. */
function connect(connectionParams) {
  const client = new SubscriptionClient(socket, { connectionParams, reconnect: false }, WebSocket);
  const subscribe = (request, observer) => {
    const subscription = client.request(request).subscribe(observer);
    return () => subscription.unsubscribe();
  };
  return { client, subscribe };
}

const bearer = { Authorization: `Bearer ${token}` };
const connection = connect(bearer);
await follows('subscriptions-transport-ws', connection, 'older');
const query = await heard(connection, 'query($id: ID!) { website(id: $id) { domain } }').next();
assert.equal(query.data.website.domain, 'shop.example');
assert.equal(query.extensions.cost.limit > 0, true, 'documents are priced');
for (const [document, expected] of [
  ['subscription { liveVisitors(websiteId: "nonsense") { visitors } }', 'VALIDATION_ERROR'],
  ['subscription { nothing }', 'GRAPHQL_VALIDATION_FAILED'],
  ['{ website(id: "x") {', 'GRAPHQL_PARSE_FAILED'],
]) {
  const [{ extensions }] = (await heard(connection, document).next()).errors;
  assert.equal(extensions.code, expected);
  assert.ok(extensions.requestId);
}
console.log('ok queries and errors');

// The same limit as in the newer protocol, and what ends makes room.
const many = connect(bearer);
const running = Array.from({ length: MAX_OPERATIONS }, () => heard(many, LIVE));
for (const each of running) assert.ok((await each.next()).data);
const [refused] = (await heard(many, LIVE).next()).errors;
assert.equal(refused.extensions.code, 'TOO_MANY_OPERATIONS');
running.pop().stop();
let again = await heard(many, LIVE).next();
while (again.errors) again = await heard(many, LIVE).next();
assert.ok(again.data);
many.client.close();
console.log('ok the number of operations is limited');

const init = (payload) => ({ type: 'connection_init', payload });
const start = { type: 'start', id: '1', payload: { query: LIVE, variables: { id: website } } };
const refusedWith = async (messages, expected, types, protocol = 'graphql-ws') => {
  const { code: ended, heard: answers } = await closed(socket, protocol, messages);
  const told = answers.map(({ type }) => type).filter((type) => type !== 'ka');
  assert.deepEqual([ended, told], [expected, types], JSON.stringify([messages, answers]));
};
await Promise.all([
  refusedWith(['no json'], 1002, []),
  refusedWith([{ type: 'unheard of' }], 1002, []),
  refusedWith([start], 1011, []),
  refusedWith([init({ Authorization: 'nonsense' })], 4403, ['connection_error']),
  refusedWith([init({ Authorization: `Bearer ${token}x` }), start], 4403, ['connection_error']),
  refusedWith([init({ 'X-API-Key': 'zv_unknown' })], 4403, ['connection_error']),
  refusedWith([init(bearer), init(bearer)], 1000, ['connection_ack', 'connection_error']),
  refusedWith([init(bearer), { type: 'connection_terminate' }], 1000, ['connection_ack']),
  // Says nothing at all.
  refusedWith([], 4408, []),
  // Larger than a message may be.
  refusedWith([init({ padding: 'x'.repeat(70_000) })], 1006, []),
]);
// Who offers both is spoken to in the first.
await refusedWith([{ type: 'subscribe', id: '1', payload: start.payload }], 4401, [], ['soap', 'graphql-transport-ws', 'graphql-ws']);
await refusedWith([start], 1011, [], ['soap', 'graphql-ws', 'graphql-transport-ws']);
console.log('ok hostile connections');

const [unauthorized] = (await heard(connect({}), EVENTS).next()).errors;
assert.equal(unauthorized.extensions.code, 'UNAUTHORIZED');

// Access that is lost while a stream runs ends it, with the reason.
const last = [];
let begun;
const isRunning = new Promise((resolve) => (begun = resolve));
const ended = new Promise((complete, error) => {
  const next = (answer) => (last.push(answer), begun());
  connection.subscribe({ query: LIVE, variables: { id: website } }, { next, error, complete });
});
await isRunning;
const signedOut = await fetch(`${base}/graphql`, {
  method: 'POST', headers: { ...bearer, 'content-type': 'application/json' }, body: JSON.stringify({ query: 'mutation { signOut { __typename } }' }),
});
assert.equal((await signedOut.json()).errors, undefined);
await ended;
assert.equal(last.at(-1).errors[0].extensions.code, 'UNAUTHORIZED');
console.log('ok a session that ends, ends its streams');
process.exit(0);
