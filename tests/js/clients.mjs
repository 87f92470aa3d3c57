// Queries by the GraphQL clients people use, with the headers and links that they send by themselves: node clients.mjs URL TOKEN WEBSITE
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ApolloClient, HttpLink, InMemoryCache, gql as apolloGql } from '@apollo/client/core/index.js';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries/index.js';
import { Client, fetchExchange, gql } from '@urql/core';

const [base, token, website] = process.argv.slice(2);
const url = `${base}/graphql`;
const headers = { authorization: `Bearer ${token}` };
const WEBSITE = 'query Site($id: ID!) { website(id: $id) { domain } }';

const urql = new Client({ url, exchanges: [fetchExchange], fetchOptions: { headers }, preferGetMethod: false });
const site = await urql.query(gql(WEBSITE), { id: website }).toPromise();
assert.equal(site.error, undefined, String(site.error));
assert.equal(site.data.website.domain, 'shop.example');
const missing = await urql.query(gql('{ website(id: "nonsense") { domain } }'), {}).toPromise();
assert.equal(missing.error.graphQLErrors[0].extensions.code, 'VALIDATION_ERROR');
console.log('ok @urql/core');

// The client names a stream beside JSON in each request, and reads one where the operation is a subscription.
const live = await new Promise((resolve, reject) => {
  const streams = new Client({ url, exchanges: [fetchExchange], fetchOptions: { headers }, fetchSubscriptions: true, preferGetMethod: false });
  const query = gql('subscription Live($id: ID!) { liveVisitors(websiteId: $id) { visitors } }');
  const { unsubscribe } = streams.subscription(query, { id: website }).subscribe((result) => {
    queueMicrotask(() => unsubscribe());
    result.error ? reject(result.error) : resolve(result.data);
  });
});
assert.equal(typeof live.liveVisitors.visitors, 'number');
console.log('ok @urql/core subscribes by fetch');

let requests = 0;
const counted = (...given) => (requests++, fetch(...given));
const persisted = new PersistedQueryLink({ sha256: (text) => createHash('sha256').update(text).digest('hex') });
const apollo = new ApolloClient({ cache: new InMemoryCache(), link: persisted.concat(new HttpLink({ uri: url, headers, fetch: counted })) });
for (const [alias, expected] of [['a', 2], ['b', 3]]) {
  const { data } = await apollo.query({ fetchPolicy: 'no-cache', query: apolloGql(`query Site($id: ID!) { ${alias}: website(id: $id) { domain } }`), variables: { id: website } });
  assert.equal(data[alias].domain, 'shop.example');
  assert.equal(requests, expected, 'one refusal tells the link to send whole documents from then on');
}
console.log('ok @apollo/client with persisted queries');
process.exit(0);
