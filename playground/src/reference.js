// The REST reference: reads openapi.json from this server and writes it out as a page. Nothing comes from elsewhere.
const byId = (id) => document.getElementById(id);
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/** An element with attributes and children; texts are never read as HTML. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

/** A text with what stands between backticks as code. */
const prose = (text) => text.split('`').map((part, at) => (at % 2 ? element('code', {}, part) : part));

const response = await fetch('../openapi.json');
const api = await response.json();

const resolve = (thing) =>
  thing?.$ref ? thing.$ref.slice(2).split('/').reduce((at, key) => at[key.replaceAll('~1', '/')], api) : (thing ?? {});

/** What a schema is, in a word or two. */
function kindOf(given) {
  const schema = resolve(given);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum?.length > 20) return `string, one of ${schema.enum.length} such as ${JSON.stringify(schema.enum[0])}`;
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const some = schema.oneOf ?? schema.anyOf;
  if (some) return some.map(kindOf).join(' or ');
  const types = [schema.type ?? 'any'].flat();
  const name = types.map((type) => (type === 'array' ? `array of ${kindOf(schema.items)}` : type)).join(' or ');
  return schema.format && schema.format !== 'int64' ? `${name} (${schema.format})` : name;
}

/** The bounds and the default of a schema. */
function boundsOf(given) {
  const schema = resolve(given);
  const names = { minimum: 'at least', maximum: 'at most', minLength: 'characters at least', maxLength: 'characters at most', minItems: 'items at least', maxItems: 'items at most', default: 'default' };
  const told = Object.entries(names).filter(([key]) => schema[key] !== undefined);
  return told.map(([key, name]) => `${name} ${JSON.stringify(schema[key])}`).join(', ');
}

/** The object whose members a schema shows: itself, or what its array or alternatives hold. */
function membersOf(given) {
  const schema = resolve(given);
  if (schema.properties) return schema;
  if (schema.items) return membersOf(schema.items);
  const some = (schema.oneOf ?? schema.anyOf ?? []).map(membersOf).find(Boolean);
  return some;
}

function memberList(given, depth = 0) {
  const schema = membersOf(given);
  if (!schema || depth > 8) return undefined;
  const list = element('dl', { class: 'members' });
  for (const [name, member] of Object.entries(schema.properties)) {
    const wanted = schema.required?.includes(name);
    list.append(
      element('dt', {}, element('code', {}, name), ' ', element('span', { class: 'kind' }, kindOf(member)), wanted ? '' : element('span', { class: 'kind' }, ' (may be absent)')),
    );
    const bounds = boundsOf(member);
    const said = [resolve(member).description, bounds].filter(Boolean).join(' · ');
    list.append(element('dd', {}, ...prose(said), memberList(member, depth + 1)));
  }
  return list;
}

/** A value that fits a schema. */
function exampleOf(given, depth = 0) {
  const schema = resolve(given);
  if (schema.example !== undefined) return schema.example;
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const some = schema.oneOf ?? schema.anyOf;
  if (some) return exampleOf(some[0], depth);
  const type = [schema.type ?? 'object'].flat()[0];
  if (type === 'object') {
    const members = Object.entries(schema.properties ?? {});
    return depth > 8 ? {} : Object.fromEntries(members.map(([name, member]) => [name, exampleOf(member, depth + 1)]));
  }
  if (type === 'array') return [exampleOf(schema.items, depth + 1)];
  if (type === 'integer' || type === 'number') return schema.minimum ?? 0;
  if (type === 'boolean') return true;
  if (type === 'null') return null;
  const formats = { uuid: '0190b5e2-7c1a-7000-8000-0123456789ab', 'date-time': '2026-02-07T12:00:00.000Z', date: '2026-02-07', email: 'ada@shop.example', uri: 'https://shop.example/' };
  return formats[schema.format] ?? 'text';
}

const CREDENTIALS = { apiKey: '-H "X-API-Key: $KEY"', bearerKey: '-H "Authorization: Bearer $KEY"', accessToken: '-H "Authorization: Bearer $TOKEN"' };

function curlOf(method, path, operation) {
  const parameters = (operation.parameters ?? []).map(resolve);
  const address = path.replace(/\{(\w+)\}/g, (_, name) => `$${name.replace(/[A-Z]/g, (letter) => '_' + letter).toUpperCase()}`);
  const query = parameters.filter(({ in: where, required }) => where === 'query' && required).map(({ name, schema }) => `${name}=${exampleOf(schema)}`);
  const lines = [`curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}"${location.origin}${address}${query.length ? `?${query.join('&')}` : ''}"`];
  const scheme = Object.keys(operation.security?.[0] ?? {})[0];
  if (scheme) lines.push(CREDENTIALS[scheme]);
  const body = resolve(operation.requestBody).content?.['application/json'];
  if (body) lines.push('-H "Content-Type: application/json"', `-d '${JSON.stringify(body.example ?? exampleOf(body.schema))}'`);
  return lines.join(' \\\n  ');
}

function credentialOf({ security }) {
  const names = (security ?? []).map((one) => Object.keys(one)[0]);
  if (!names[0]) return 'No credential.';
  return names.includes('accessToken') ? 'Credential: a user’s access token.' : 'Credential: an API key.';
}

/** What the search looks at. */
function wordsOf(path, method, { summary, description, operationId, tags, parameters = [] }) {
  const names = parameters.map((one) => resolve(one).name);
  return [method, path, summary, description, operationId, ...(tags ?? []), ...names].join(' ').toLowerCase();
}

function show(path, method, operation) {
  const section = element('section', { id: operation.operationId, 'data-words': wordsOf(path, method, operation) });
  section.append(
    element('h3', {}, element('span', { class: `method ${method}` }, method.toUpperCase()), ' ', element('code', {}, path), element('a', { class: 'anchor', href: `#${operation.operationId}`, 'aria-label': 'Link to this operation' }, '#')),
    element('p', { class: 'summary' }, operation.summary ?? ''),
    ...(operation.description ?? '').split('\n\n').map((paragraph) => element('p', {}, ...prose(paragraph))),
    element('p', { class: 'credential' }, credentialOf(operation)),
  );
  const parameters = (operation.parameters ?? []).map(resolve);
  if (parameters.length) {
    const rows = parameters.map((one) =>
      element('tr', {}, element('th', { scope: 'row' }, element('code', {}, one.name)), element('td', {}, one.in), element('td', {}, kindOf(one.schema)), element('td', {}, ...prose([one.description, boundsOf(one.schema), one.required ? 'required' : ''].filter(Boolean).join(' · ')))),
    );
    section.append(element('h4', {}, 'Parameters'), element('div', { class: 'wide' }, element('table', {}, ...rows)));
  }
  const body = resolve(operation.requestBody);
  for (const [type, { schema }] of Object.entries(body.content ?? {})) {
    section.append(element('h4', {}, `Body (${type})`), memberList(schema) ?? element('p', {}, kindOf(schema)));
  }
  section.append(element('h4', {}, 'Request'), element('pre', { tabindex: '0' }, curlOf(method, path, operation)));
  for (const [status, given] of Object.entries(operation.responses)) {
    const answer = resolve(given);
    const [type, content] = Object.entries(answer.content ?? {})[0] ?? [];
    if (!status.startsWith('2')) continue;
    section.append(element('h4', {}, `${status} · ${answer.description}`));
    if (!content) continue;
    if (type !== 'application/json') section.append(element('p', {}, type));
    else section.append(element('pre', { tabindex: '0' }, JSON.stringify(content.example ?? exampleOf(content.schema), null, 2)));
    const members = memberList(content.schema);
    if (members) section.append(element('details', {}, element('summary', {}, 'What each field means'), members));
  }
  const refusals = Object.entries(operation.responses).filter(([status]) => !status.startsWith('2'));
  section.append(element('h4', {}, 'Refusals'), element('ul', { class: 'refusals' }, ...refusals.map(([status, given]) => element('li', {}, element('code', {}, status), ' ', resolve(given).description))));
  return section;
}

byId('title').textContent = api.info.title;
byId('about').textContent = `${api.info.description} Version ${api.info.version}.`;
const main = byId('operations');
const contents = byId('contents');
for (const { name, description } of api.tags) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]?.tags?.[0] === name).map((method) => [path, method, methods[method]]),
  );
  const links = operations.map(([path, method, operation]) =>
    element('li', { 'data-for': operation.operationId }, element('a', { href: `#${operation.operationId}` }, element('span', { class: `method ${method}` }, method.toUpperCase()), ' ', operation.summary ?? path)),
  );
  contents.append(element('div', { class: 'tag' }, element('h2', {}, name), element('ul', {}, ...links)));
  const heading = element('h2', { id: `tag-${name}` }, name);
  main.append(element('div', { class: 'tag' }, heading, description ? element('p', {}, description) : '', ...operations.map((operation) => show(...operation))));
}

/** Marks words where they are seen. Browsers without highlights show the hits without marks. */
function mark(words, roots) {
  const ranges = [];
  for (const root of roots) {
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode.data.toLowerCase();
      for (const word of words) {
        for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
          const range = new Range();
          range.setStart(texts.currentNode, at);
          range.setEnd(texts.currentNode, at + word.length);
          ranges.push(range);
        }
      }
    }
  }
  globalThis.CSS.highlights?.set('hit', new Highlight(...ranges));
}

const find = byId('find');
const sections = [...main.querySelectorAll('section')];
const hits = () => sections.filter((section) => !section.hidden);

function search() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of sections) {
    section.hidden = !words.every((word) => section.dataset.words.includes(word));
    contents.querySelector(`[data-for="${section.id}"]`).hidden = section.hidden;
  }
  for (const group of document.querySelectorAll('.tag')) {
    group.hidden = [...group.querySelectorAll('section, li[data-for]')].every((item) => item.hidden);
  }
  const found = hits();
  const isSearch = words.length > 0;
  byId('hits').textContent = isSearch ? `${found.length} of ${sections.length} operations` : '';
  byId('none').hidden = found.length > 0;
  byId('none').textContent = found.length ? '' : `No operation matches “${find.value.trim()}”. The search looks at methods, paths, names of parameters and descriptions.`;
  mark(words, found.flatMap((section) => [...section.querySelectorAll(':scope > h3, :scope > p, :scope th')]));
  // What was read before may be hidden now.
  if (isSearch) scrollTo({ top: 0, behavior: 'instant' });
}

find.addEventListener('input', search);
find.addEventListener('keydown', ({ key }) => {
  if (key === 'Enter') hits()[0]?.scrollIntoView();
});
// A browser restores what was typed when the page is loaded again.
search();

// The address named an operation before it was on the page.
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
