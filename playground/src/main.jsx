// The playground page: GraphiQL over the endpoint this page came from, with the example operations in tabs.
//
// - `#token=...` puts a credential into the headers editor, `#website=...` an id into the examples' variables. A fragment never
//   leaves the browser; it is taken out of the address at once and lives as long as the browser tab.
// - The access token of a sign-in is kept as long, and sent where the Headers name no credential.
// - The endpoint is relative to the page, so it also works below a path prefix.
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';
import './main.css';

const PLACEHOLDER = '<website id>';
const endpoint = new URL('graphql', window.location.href);
endpoint.search = '';
endpoint.hash = '';

const storage = window.sessionStorage;
const HEADERS = 'footfall:headers';
const SIGNED_IN = 'footfall:signed-in';

function post(params, headers) {
  return fetch(endpoint, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json, application/json;q=0.9',
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify(params),
  });
}

async function fetcher(params, options) {
  const headers = options?.headers ?? {};
  const named = Object.keys(headers).some((name) => ['authorization', 'x-api-key'].includes(name.toLowerCase()));
  const kept = named ? null : storage.getItem(SIGNED_IN);
  let response = await post(params, kept ? { ...headers, authorization: `Bearer ${kept}` } : headers);
  if (kept && response.status === 401) {
    // It expired or was signed out. Signing in again must not fail for carrying it.
    storage.removeItem(SIGNED_IN);
    response = await post(params, headers);
  }
  const answer = await response.json();
  for (const payload of Object.values(answer.data ?? {})) {
    if (typeof payload?.accessToken === 'string') {
      storage.setItem(SIGNED_IN, payload.accessToken);
    }
  }
  return answer;
}

/** Credential and website from the fragment, which is then taken out of the address. */
function takeFragment() {
  const given = new URLSearchParams(window.location.hash.slice(1));
  if (given.has('token')) {
    window.history.replaceState(null, '', window.location.pathname + window.location.search);
  }
  return { token: given.get('token'), website: given.get('website') };
}

/** Id of the first website that the credential reaches, or null. */
async function firstWebsite(headers) {
  try {
    const answer = await fetcher({ query: '{ viewer { websites(first: 1) { nodes { id } } } }' }, { headers });
    return answer.data?.viewer?.websites?.nodes?.[0]?.id ?? null;
  } catch {
    return null;
  }
}

async function exampleTabs(headers, website) {
  const response = await fetch(new URL('playground/examples.json', endpoint));
  const examples = await response.json();
  const id = website ?? (headers ? await firstWebsite(JSON.parse(headers)) : null);
  return examples.map(({ query, variables }) => {
    const text = JSON.stringify(variables, null, 2);
    return {
      query,
      variables: text === '{}' ? '' : id ? text.replaceAll(PLACEHOLDER, id) : text,
      headers,
    };
  });
}

const given = takeFragment();
if (given.token) {
  // A new credential begins with the examples again; tabs of an older one would still carry that one.
  storage.clear();
  storage.setItem(HEADERS, JSON.stringify({ Authorization: `Bearer ${given.token}` }, null, 2));
}
const headers = storage.getItem(HEADERS) ?? '';
const tabs = await exampleTabs(headers, given.website);

createRoot(document.getElementById('playground')).render(
  <GraphiQL
    fetcher={fetcher}
    storage={storage}
    defaultTabs={tabs}
    defaultHeaders={headers}
    defaultEditorToolsVisibility={given.token ? 'headers' : 'variables'}
    isHeadersEditorEnabled
    shouldPersistHeaders
  />,
);
