// The playground page: a sign-in, then GraphiQL over the endpoint this page came from, with the example operations in tabs.
//
// - `#token=...` signs in, `#website=...` is an ID for the examples' variables. A fragment never leaves the browser; it is taken out of
//   the address at once.
// - Addresses are relative to the page, so it also works below a path prefix.
import { useEditorContext } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { fetcher } from './fetcher.js';
import { file, keep, onChange, signIn, signOut, token, whoIsSignedIn } from './session.js';
import { storage } from './storage.js';
import './main.css';

const PLACEHOLDER = '<website id>';

/** Credential and website from the fragment, which is then taken out of the address. */
function takeFragment() {
  const given = new URLSearchParams(window.location.hash.slice(1));
  if (given.has('token')) {
    window.history.replaceState(null, '', window.location.pathname + window.location.search);
  }
  return { token: given.get('token'), website: given.get('website') };
}

async function exampleTabs(website) {
  const response = await fetch(file('examples.json'));
  const examples = await response.json();
  // The first one signs in.
  if (token()) examples.push(examples.shift());
  return examples.map(({ query, variables }) => {
    const text = JSON.stringify(variables, null, 2);
    return { query, variables: text === '{}' ? '' : website ? text.replaceAll(PLACEHOLDER, website) : text };
  });
}

/** Puts the website's ID into the variables of the tab that is shown. */
function FillIn({ website }) {
  const { variableEditor, activeTabIndex } = useEditorContext();
  useEffect(() => {
    const text = variableEditor?.getValue() ?? '';
    if (website && text.includes(PLACEHOLDER)) variableEditor.setValue(text.replaceAll(PLACEHOLDER, website));
  }, [variableEditor, activeTabIndex, website]);
  return null;
}

function SignIn() {
  const [state, setState] = useState({});
  const submit = async (event) => {
    event.preventDefault();
    const { email, password } = event.target;
    setState({ isBusy: true });
    try {
      await signIn(email.value.trim(), password.value);
    } catch (error) {
      password.value = '';
      setState({ error: error.message });
    }
  };
  return (
    <form onSubmit={submit}>
      <input name="email" type="email" required autoComplete="username" placeholder="E-mail" aria-label="E-mail address" />
      <input name="password" type="password" required autoComplete="current-password" placeholder="Password" aria-label="Password" />
      <button disabled={state.isBusy}>Sign in</button>
      <output role="status">{state.error ?? 'No account yet? Run footfall user create.'}</output>
    </form>
  );
}

function Bar({ account }) {
  return (
    <header>
      <nav aria-label="Documentation">
        <strong>Footfall</strong>
        <a href="reference">REST reference</a>
        <a href="playground/docs/API.md">API guide</a>
        <a href="playground/docs/METRICS.md">Metrics</a>
      </nav>
      {account ? (
        <p>
          Signed in as <b>{account.email}</b> <button onClick={signOut}>Sign out</button>
        </p>
      ) : (
        <SignIn />
      )}
    </header>
  );
}

function Playground({ tabs, first, given }) {
  const [account, setAccount] = useState(first);
  const [website, setWebsite] = useState(given ?? first?.website ?? null);
  useEffect(
    () =>
      onChange(async () => {
        const now = await whoIsSignedIn();
        setAccount(now);
        setWebsite(now?.website ?? null);
      }),
    [],
  );
  const ask = useMemo(() => fetcher((data) => setWebsite((known) => known ?? data.websiteCreate?.website?.id ?? null)), []);
  return (
    <>
      <Bar account={account} />
      <GraphiQL fetcher={ask} storage={storage} defaultTabs={tabs} defaultEditorToolsVisibility="variables" isHeadersEditorEnabled showPersistHeadersSettings={false}>
        <GraphiQL.Logo>
          <FillIn website={website} />
        </GraphiQL.Logo>
      </GraphiQL>
    </>
  );
}

const given = takeFragment();
if (given.token) {
  // A new credential begins with the examples again: tabs of an older one would name other websites.
  storage.clear();
  keep(given.token);
}
const account = await whoIsSignedIn();
const website = given.website ?? account?.website ?? null;
const tabs = await exampleTabs(website);
// GraphiQL takes the first tab's document from the tab, but its variables from what it stored.
if (!storage.getItem('graphiql:tabState')) storage.setItem('graphiql:variables', tabs[0].variables);

createRoot(document.getElementById('playground')).render(<Playground tabs={tabs} first={account} given={given.website} />);
