// Listening to a conversation: node conversation.mjs URL OWNER_TOKEN MEMBER_TOKEN CONVERSATION WEBSITE MEMBERSHIP
import assert from 'node:assert/strict';
import { createClient as createWs } from 'graphql-ws';
import { createClient as createSse } from 'graphql-sse';
import { WebSocket } from 'ws';

const [base, owner, member, conversation, website, membership] = process.argv.slice(2);
const query = 'subscription($id: ID!) { conversationMessageAdded(conversationId: $id) { position role content createdAt } }';
const path = `/api/conversations/${conversation}`;

async function rest(method, where, body, token = owner) {
  const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) };
  const response = await fetch(`${base}${where}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${where}: ${JSON.stringify(answer)}`);
  return answer.data;
}

const append = (content) => rest('POST', `${path}/messages`, { role: 'user', content });

/** Listens; answers what was heard and when the stream was over. */
function listen(client) {
  const heard = [];
  let end;
  const over = new Promise((resolve) => { end = resolve; });
  client.subscribe(
    { query, variables: { id: conversation } },
    {
      next: (answer) => heard.push(answer.data?.conversationMessageAdded ?? { errors: answer.errors }),
      error: (error) => { heard.push({ errors: error }); end(); },
      complete: end,
    },
  );
  return { heard, over };
}

async function until(holds, what) {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `${what}: not within ten seconds`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

const ws = createWs({
  url: `${base.replace('http', 'ws')}/graphql/ws`, webSocketImpl: WebSocket, retryAttempts: 0,
  connectionParams: { Authorization: `Bearer ${member}` },
});
const sse = createSse({ url: `${base}/graphql`, headers: { Authorization: `Bearer ${owner}` }, retryAttempts: 0 });
const [byWs, bySse] = [listen(ws), listen(sse)];
const both = [['graphql-ws', byWs], ['graphql-sse', bySse]];
let opening = 0;
const deadline = Date.now() + 10_000;
while (both.some(([, { heard }]) => heard.length === 0)) {
  assert.ok(Date.now() < deadline, 'nothing was heard');
  await append(`opening ${++opening}`);
}

await Promise.all(Array.from({ length: 30 }, (_, n) => append(`message ${n}`)));
const { messages } = await rest('GET', path);
assert.equal(messages.length, opening + 30);
for (const [name, { heard }] of both) {
  await until(() => heard.at(-1)?.content === messages.at(-1).content, `${name} hears the last`);
  const first = heard[0].position;
  assert.deepEqual(heard.map(({ content }) => content), messages.slice(first).map(({ content }) => content));
  assert.deepEqual(heard.map(({ position }) => position), heard.map((_, n) => first + n), 'each once, in order');
  console.log(`ok ${name} hears each message once, in order`);
}

const before = byWs.heard.length;
await rest('PUT', path, { messages: [{ role: 'user', content: 'first' }, { role: 'assistant', content: 'second' }] });
await append('after the replacement');
for (const [name, { heard }] of both) {
  await until(() => heard.at(-1)?.content === 'after the replacement', `${name} hears what follows a replacement`);
}
assert.equal(byWs.heard.length, before + 1, 'what is replaced is not told');
assert.equal(byWs.heard.at(-1).position, 2);
console.log('ok a replacement is not told, what follows it is');

await rest('DELETE', `/api/websites/${website}/team-members/${membership}`);
await append('for members only');
await until(() => bySse.heard.at(-1)?.content === 'for members only', 'the owner goes on to hear');
await Promise.race([byWs.over, new Promise((_, reject) => { setTimeout(() => reject(new Error('it goes on')), 10_000).unref(); })]);
assert.match(JSON.stringify(byWs.heard.at(-1)), /FORBIDDEN/);
assert.ok(!byWs.heard.some(({ content }) => content === 'for members only'));
console.log('ok who is removed hears no more');

assert.deepEqual(await rest('DELETE', path), { deleted: true });
await Promise.race([bySse.over, new Promise((_, reject) => { setTimeout(() => reject(new Error('it goes on')), 10_000).unref(); })]);
assert.equal(bySse.heard.at(-1).content, 'for members only', 'no error at the end');
console.log('ok a deleted conversation ends its streams');
process.exit(0);
