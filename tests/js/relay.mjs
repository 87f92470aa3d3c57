// A client of Relay: what its compiler makes of the schema's nodes, connections, mutations and subscriptions: node relay.mjs
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

// Each module's documents begin with its name, as the compiler asks.
const MODULES = {
  // A connection that loads further pages: the compiler demands the arguments, `edges`, `node`, `cursor` and PageInfo.
  Websites: `
    query WebsitesQuery($count: Int!, $cursor: String) {
      viewer { ...Websites_user @arguments(count: $count, cursor: $cursor) }
    }
    fragment Websites_user on User
    @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" })
    @refetchable(queryName: "WebsitesPageQuery") {
      websites(first: $count, after: $cursor) @connection(key: "Websites_websites") {
        edges { node { id ...WebsiteCard_website } }
      }
    }`,
  // A node that is fetched again by its ID.
  WebsiteCard: `
    fragment WebsiteCard_website on Website @refetchable(queryName: "WebsiteCardQuery") {
      domain
      name
      team { name role }
    }`,
  // Mutations that change the connection in the store.
  WebsiteForm: `
    mutation WebsiteFormCreateMutation($input: WebsiteCreateInput!, $connections: [ID!]!) {
      websiteCreate(input: $input) {
        clientMutationId
        website @appendNode(connections: $connections, edgeTypeName: "WebsiteEdge") { id ...WebsiteCard_website }
      }
    }
    mutation WebsiteFormDeleteMutation($input: WebsiteDeleteInput!, $connections: [ID!]!) {
      websiteDelete(input: $input) { deletedId @deleteRecord @deleteEdge(connections: $connections) }
    }`,
  // A connection of an abstract type, and one that goes backward.
  Conversation: `
    query ConversationQuery($id: ID!) {
      node(id: $id) { ... on Conversation @alias(as: "conversation") { ...Conversation_messages } }
    }
    fragment Conversation_messages on Conversation
    @argumentDefinitions(last: { type: "Int", defaultValue: 50 }, before: { type: "String" })
    @refetchable(queryName: "ConversationPageQuery") {
      messages(last: $last, before: $before) @connection(key: "Conversation_messages") {
        edges { node { id role content } }
      }
    }
    subscription ConversationSubscription($conversationId: ID!, $connections: [ID!]!) {
      conversationMessageAdded(conversationId: $conversationId)
      @appendNode(connections: $connections, edgeTypeName: "ConversationMessageEdge") { id role content }
    }`,
  Live: 'subscription LiveSubscription($websiteId: ID!) { eventTracked(websiteId: $websiteId) { eventId type path createdAt: at } }',
};

const SCALARS = ['BigInt', 'Date', 'DateTime', 'Decimal', 'EmailAddress', 'HexColor', 'JSON', 'TimeZone', 'URL', 'UUID'];
const types = { BigInt: 'number', JSON: '{}' };

const folder = mkdtempSync(join(tmpdir(), 'relay-'));
try {
  mkdirSync(join(folder, 'src/made'), { recursive: true });
  copyFileSync(join(here, '../../schema/schema.graphql'), join(folder, 'schema.graphql'));
  for (const [name, documents] of Object.entries(MODULES)) {
    const tagged = documents.split(/\n(?= {4}(?:query|mutation|fragment|subscription) )/).filter((each) => each.trim());
    const exported = tagged.map((each, index) => `export const part${index} = graphql\`${each}\`;\n`);
    writeFileSync(join(folder, `src/${name}.ts`), `import { graphql } from 'react-relay';\n${exported.join('')}`);
  }
  const config = {
    src: './src', schema: './schema.graphql', artifactDirectory: './src/made', language: 'typescript', eagerEsModules: true,
    // Every scalar has a type, as with GraphQL Code Generator.
    requireCustomScalarTypes: true,
    customScalarTypes: Object.fromEntries(SCALARS.map((name) => [name, types[name] ?? 'string'])),
  };
  writeFileSync(join(folder, 'relay.config.json'), JSON.stringify(config));
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(here, 'node_modules/relay-compiler/cli.js'), './relay.config.json'], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  const made = readdirSync(join(folder, 'src/made'));
  for (const name of ['WebsitesPageQuery', 'WebsiteCardQuery', 'WebsiteFormCreateMutation', 'ConversationPageQuery', 'LiveSubscription']) {
    assert.ok(made.includes(`${name}.graphql.ts`), `${name} of ${made}`);
  }
  // A refetched node is asked for by `node(id:)`, and the compiler adds `id` to all selections, by which its store knows them.
  const text = readFileSync(join(folder, 'src/made/WebsiteCardQuery.graphql.ts'), 'utf8');
  assert.match(text, /node\(id: \$id\)/);
  console.log(`ok ${made.length} artefacts`);
} finally {
  rmSync(folder, { recursive: true });
}
