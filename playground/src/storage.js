// What GraphiQL remembers: as long as the browser tab, and no password or token of an operation.
const SECRET = /(\w*(?:password|token|secret|invitation)\w*"?\s*:\s*)"(?!your password")(?:[^"\\]|\\.)+"/gi;
const redact = (text) => (typeof text === 'string' ? text.replace(SECRET, '$1""') : text);
const hasSecret = (text) => redact(text) !== text;

const LISTS = { 'graphiql:queries': 'queries', 'graphiql:favorites': 'favorites' };
const TABS = 'graphiql:tabState';

/** What is stored in place of a value. Throws for a history whose newest entry has a secret: GraphiQL then drops the entry. */
function stored(key, value) {
  if (key in LISTS) {
    const entries = JSON.parse(value)[LISTS[key]];
    const newest = entries.at(-1);
    if (newest && (hasSecret(newest.query) || hasSecret(newest.variables))) throw new Error('An operation with a secret is not kept.');
    return JSON.stringify({ [LISTS[key]]: entries.map((entry) => ({ ...entry, headers: undefined })) });
  }
  if (key === TABS) {
    const state = JSON.parse(value);
    const tabs = state.tabs.map((tab) => ({ ...tab, query: redact(tab.query), variables: redact(tab.variables), headers: null }));
    return JSON.stringify({ ...state, tabs });
  }
  return redact(value);
}

const area = window.sessionStorage;

export const storage = {
  getItem: (key) => area.getItem(key),
  setItem: (key, value) => area.setItem(key, stored(key, value)),
  removeItem: (key) => area.removeItem(key),
  clear: () => area.clear(),
  get length() {
    return area.length;
  },
};
