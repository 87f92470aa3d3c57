// The caller of the playground: an access token that lives as long as the browser tab, and requests that carry it.
const endpoint = new URL('graphql', window.location.href);
endpoint.search = '';
endpoint.hash = '';

const SIGNED_IN = 'footfall:signed-in';
const storage = window.sessionStorage;
const listeners = new Set();

export const file = (path) => new URL(`playground/${path}`, endpoint);
export const token = () => storage.getItem(SIGNED_IN);

/** Keeps a token, or none; whoever shows the caller is told. */
export function keep(value) {
  if (value === token()) return;
  if (value) storage.setItem(SIGNED_IN, value);
  else storage.removeItem(SIGNED_IN);
  listeners.forEach((listener) => listener());
}

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function post(params, headers, accept, signal) {
  return fetch(endpoint, {
    method: 'POST',
    headers: { accept, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(params),
    signal,
  });
}

const JSON_ONLY = 'application/graphql-response+json, application/json;q=0.9';

/** Posts with the token, unless the headers name a credential. */
export async function send(params, headers = {}, accept = JSON_ONLY, signal) {
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const kept = names.includes('authorization') || names.includes('x-api-key') ? null : token();
  const response = await post(params, kept ? { ...headers, authorization: `Bearer ${kept}` } : headers, accept, signal);
  if (!kept || response.status !== 401) return response;
  // It expired or was signed out. Signing in again must not fail for carrying it.
  keep(null);
  return post(params, headers, accept, signal);
}

/** The data of an operation of the page itself. Throws the message of its first error. */
async function ask(query, variables) {
  const response = await send({ query, variables });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

export async function signIn(email, password) {
  keep(null);
  const data = await ask('mutation SignIn($input: SignInInput!) { signIn(input: $input) { accessToken } }', { input: { email, password } });
  keep(data.signIn.accessToken);
}

export async function signOut() {
  await ask('mutation SignOut { signOut { signedOutAt } }').catch(() => null);
  keep(null);
}

/** The signed-in user and the ID of their first website, or null. */
export async function whoIsSignedIn() {
  if (!token()) return null;
  const data = await ask('{ viewer { email websites(first: 1) { nodes { id } } } }').catch(() => null);
  return data?.viewer ? { email: data.viewer.email, website: data.viewer.websites?.nodes?.[0]?.id ?? null } : null;
}
