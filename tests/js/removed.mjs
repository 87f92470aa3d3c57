// What a member who is removed still hears: node removed.mjs URL OWNER_TOKEN MEMBER_TOKEN WEBSITE CODE MEMBERSHIP
import assert from 'node:assert/strict';
import { createClient as createWs } from 'graphql-ws';
import { createClient as createSse } from 'graphql-sse';
import { WebSocket } from 'ws';

const [base, owner, member, website, code, membership] = process.argv.slice(2);
const query = 'subscription($id: ID!) { eventTracked(websiteId: $id) { path } }';

let number = 0;
async function beacon(path) {
  const response = await fetch(`${base}/e/${code}`, {
    method: 'POST',
    headers: { origin: 'https://shop.example', 'content-type': 'application/json' },
    body: JSON.stringify({
      type: 'pageview', event_id: `removed-${++number}`, visitor_id: 'visitor-0001', session_id: 'session-1234',
      url: `https://shop.example${path}`, device_type: 'desktop', browser: 'Firefox', os: 'Linux',
      user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
    }),
  });
  assert.equal(response.status, 200);
}

/** Listens; answers what was heard, when the first was heard, and when the stream was over. */
function listen(client) {
  const heard = [];
  let begin;
  let end;
  const begun = new Promise((resolve) => { begin = resolve; });
  const over = new Promise((resolve) => { end = resolve; });
  client.subscribe(
    { query, variables: { id: website } },
    { next: (answer) => { heard.push(answer); begin(); }, error: (error) => { heard.push({ error }); end(); }, complete: end },
  );
  return { heard, begun, over };
}

const soon = (promise, what) => Promise.race([
  promise,
  new Promise((_, reject) => { setTimeout(() => reject(new Error(`${what}: not within ten seconds`)), 10_000).unref(); }),
]);

const ws = createWs({
  url: `${base.replace('http', 'ws')}/graphql/ws`, webSocketImpl: WebSocket, retryAttempts: 0,
  connectionParams: { Authorization: `Bearer ${member}` },
});
const sse = (token) => createSse({ url: `${base}/graphql`, headers: { Authorization: `Bearer ${token}` }, retryAttempts: 0 });
const [byWs, bySse, byOwner] = [listen(ws), listen(sse(member)), listen(sse(owner))];
const opening = setInterval(() => beacon(`/opening-${number}`), 100);
await soon(Promise.all([byWs.begun, bySse.begun, byOwner.begun]), 'every stream hears');
clearInterval(opening);

const gone = await fetch(`${base}/api/websites/${website}/team-members/${membership}`, {
  method: 'DELETE', headers: { authorization: `Bearer ${owner}` },
});
assert.equal(gone.status, 200);
await beacon('/after');
for (const [name, { heard, over }] of [['graphql-ws', byWs], ['graphql-sse', bySse]]) {
  await soon(over, `${name} ends`);
  const last = heard.at(-1);
  assert.match(JSON.stringify(last), /FORBIDDEN/, `${name}: ${JSON.stringify(last)}`);
  assert.ok(!heard.some((answer) => answer.data?.eventTracked?.path === '/after'), `${name} heard what came after`);
  console.log(`ok ${name} ends with the membership`);
}
const deadline = Date.now() + 10_000;
while (!byOwner.heard.some((answer) => answer.data?.eventTracked?.path === '/after')) {
  assert.ok(Date.now() < deadline, 'the owner goes on to hear');
  await new Promise((resolve) => { setTimeout(resolve, 20); });
}
console.log('ok the owner goes on to hear');
process.exit(0);
