// The page with the tracker on it: connects to a website of yours, loads /z.js, and shows each event as the subscription brings it.
const byId = (id) => document.getElementById(id);
const server = new URL('..', location.href).href;
const form = byId('who');
const state = byId('state');

// The demo prints an address that fills the form: tracker.html#token=...&website=...
const given = new URLSearchParams(location.hash.slice(1));
if (given.has('token')) {
  form.website.value = given.get('website') ?? '';
  form.token.value = given.get('token');
  history.replaceState(null, '', '#/shop/');
  connect();
}
form.addEventListener('submit', (event) => {
  event.preventDefault();
  connect();
});

async function ask(query, variables) {
  const response = await fetch(`${server}graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${form.token.value}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

async function connect() {
  state.textContent = 'connecting …';
  const id = form.website.value.trim();
  try {
    const { website } = await ask('query($id: ID!) { website(id: $id) { trackingCode allowLocalhost } }', { id });
    if (!website.allowLocalhost && /^(localhost|127\.|\[::1\])/.test(location.hostname)) {
      throw new Error('This page runs on a local host: switch allowLocalhost on for the website first.');
    }
    follow(id, 'subscription($id: ID!) { liveVisitors(websiteId: $id) { visitors } }', ({ liveVisitors }) => {
      byId('live').textContent = `${liveVisitors.visitors} here now`;
    });
    await follow(id, 'subscription($id: ID!) { eventTracked(websiteId: $id) { at type name path properties } }', ({ eventTracked }) => show(eventTracked));
    state.textContent = 'connected';
    track(website.trackingCode);
  } catch (error) {
    state.textContent = error.message;
  }
}

/** Reads a subscription as server-sent events. Resolves when the stream is open. */
async function follow(id, query, each) {
  const response = await fetch(`${server}graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', Authorization: `Bearer ${form.token.value}` },
    body: JSON.stringify({ query, variables: { id } }),
  });
  if (!response.ok) throw new Error((await response.json()).errors[0].message);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  (async () => {
    let text = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const data = text.slice(0, end).split('\n').find((line) => line.startsWith('data: '));
        text = text.slice(end + 2);
        if (!data || data === 'data: ') continue;
        const answer = JSON.parse(data.slice(6));
        if (answer.errors) state.textContent = answer.errors[0].message;
        else each(answer.data);
      }
    }
    state.textContent = 'the stream ended; connect again';
  })();
}

function show({ at, type, name, path, properties }) {
  const row = document.createElement('li');
  const [time, kind, what] = ['time', 'strong', 'span'].map((tag) => row.appendChild(document.createElement(tag)));
  time.textContent = new Date(at).toLocaleTimeString();
  kind.textContent = name || type.toLowerCase();
  what.textContent = `${path} ${properties ? JSON.stringify(properties) : ''}`;
  byId('events').prepend(row);
}

function track(code) {
  if (document.querySelector('script[data-id]')) return;
  const script = document.createElement('script');
  Object.assign(script.dataset, { id: code, outbound: 'true' });
  script.src = `${server}z.js`;
  document.head.append(script);
}

addEventListener('hashchange', () => (byId('here').textContent = location.hash.slice(1)));
document.addEventListener('click', ({ target }) => {
  const command = target.dataset?.command;
  if (command && window.zenovay) window.zenovay(...JSON.parse(command));
});
