// The playground and the REST reference in Chromium: node playground.mjs URL EMAIL PASSWORD CODE [FOLDER FOR SCREENSHOTS]
import assert from 'node:assert/strict';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { eventually } from './tracker-world.mjs';

const [base, email, password, code, folder] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync', '--disable-background-networking'],
});

async function open(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(error.message));
  page.on('console', (message) => message.type() === 'error' && page.faults.push(message.text()));
  await page.goto(`${base}${address}`);
  return page;
}

const editor = (page, name) => page.evaluate((name) => document.querySelector(`.graphiql-${name} .CodeMirror`).CodeMirror.getValue(), name);
const write = (page, text) =>
  page.evaluate((text) => document.querySelector('.graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror').CodeMirror.setValue(text), text);
const variables = (page) =>
  page.evaluate(() => document.querySelector('.graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror').CodeMirror.getValue());
const tab = (page, name) => page.getByRole('tab', { name: new RegExp(`^${name}`) }).click();
const run = (page) => page.getByRole('button', { name: /^(Execute|Stop) query/ }).click();
const everythingKept = (page) => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));

async function signIn(page) {
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText(`Signed in as ${email}`).waitFor();
}

const scenarios = {
  async 'sign-in comes first and fills in the examples'() {
    const page = await open('/graphql');
    await page.getByLabel('E-mail address').waitFor();
    assert.match(await page.getByRole('tab').first().textContent(), /^SignIn/);
    assert.match(await editor(page, 'query-editor'), /^# Sign in/);
    assert.match(await variables(page), /"password": "your password"/);
    await tab(page, 'Dashboard');
    assert.match(await variables(page), /<website id>/);
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill('a wrong password');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await eventually(async () => assert.match(await page.getByRole('status').first().textContent(), /password/i));
    page.faults.length = 0; // the browser reports the refusal
    await signIn(page);
    await eventually(async () => assert.doesNotMatch(await variables(page), /<website id>/));
    await tab(page, 'Visitors');
    await eventually(async () => assert.doesNotMatch(await variables(page), /<website id>/));
    await tab(page, 'Dashboard');
    await run(page);
    await eventually(async () => assert.match(await editor(page, 'response'), /"domain": "shop.example"/));
    for (const [name, heading] of [['REST reference', /REST/], ['API guide', /GraphQL/], ['Metrics', /visitor/i]]) {
      const address = await page.getByRole('link', { name }).getAttribute('href');
      const answer = await page.request.get(new URL(address, `${base}/graphql`).href);
      assert.equal(answer.status(), 200, address);
      assert.match(await answer.text(), heading);
    }
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('E-mail address').waitFor();
    await run(page);
    await eventually(async () => assert.match(await editor(page, 'response'), /UNAUTHORIZED/));
    return page;
  },

  async 'a subscription runs until it is stopped'() {
    const page = await open('/graphql');
    await signIn(page);
    await tab(page, 'LiveEvents');
    await eventually(async () => assert.doesNotMatch(await variables(page), /<website id>/));
    await run(page);
    await page.getByRole('button', { name: /^Stop query/ }).waitFor();
    let number = 0;
    const event = async (path) => {
      const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0';
      const response = await fetch(`${base}/e/${code}`, {
        method: 'POST',
        headers: { origin: 'https://shop.example', 'user-agent': agent },
        body: JSON.stringify({
          type: 'pageview', event_id: `playground-${++number}`, visitor_id: 'visitor-0001', session_id: 'session-1234',
          url: `https://shop.example${path}`, device_type: 'desktop', browser: 'Firefox', os: 'Linux', user_agent: agent,
        }),
      });
      assert.equal(response.status, 200);
    };
    await eventually(async () => {
      await event('/first');
      assert.match(await editor(page, 'response'), /"path": "\/first"/);
    });
    await event('/second');
    await eventually(async () => assert.match(await editor(page, 'response'), /"path": "\/second"/));
    await run(page);
    await page.getByRole('button', { name: /^Execute query/ }).waitFor();
    await event('/third');
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.match(await editor(page, 'response'), /"path": "\/second"/);
    await write(page, '{ "websiteId": "nonsense" }');
    await run(page);
    await eventually(async () => assert.match(await editor(page, 'response'), /VALIDATION_ERROR/));
    return page;
  },

  async 'no secret is kept'() {
    const page = await open('/graphql');
    await tab(page, 'SignIn');
    await write(page, JSON.stringify({ input: { email, password } }));
    await run(page);
    await eventually(async () => assert.match(await editor(page, 'response'), /accessToken/));
    await page.getByText(`Signed in as ${email}`).waitFor();
    await tab(page, 'YourWebsites');
    await new Promise((resolve) => setTimeout(resolve, 1000)); // the history names the operation that GraphiQL knows by then
    await run(page);
    await eventually(async () => assert.match(await editor(page, 'response'), /shop\.example/));
    await new Promise((resolve) => setTimeout(resolve, 1000)); // GraphiQL stores with a delay
    const kept = await everythingKept(page);
    assert.ok(kept.includes('YourWebsites'), kept);
    assert.ok(!kept.includes(password), kept);
    assert.deepEqual(await page.evaluate(() => ({ ...localStorage })), {});
    await page.getByRole('button', { name: 'Show History' }).click();
    await page.getByRole('button', { name: 'YourWebsites' }).first().waitFor();
    assert.equal(await page.locator('.graphiql-history-item', { hasText: 'SignIn' }).count(), 0);
    await page.reload();
    await page.getByText(`Signed in as ${email}`).waitFor();
    const other = await open('/graphql');
    await other.getByLabel('E-mail address').waitFor();
    return page;
  },

  async 'the reference is searched'() {
    const page = await open('/reference');
    await page.locator('section').first().waitFor();
    const all = await page.locator('section').count();
    const find = page.getByLabel('Find');
    await find.fill('exclusions post');
    await eventually(async () => assert.match(await page.locator('#hits').textContent(), new RegExp(`^[1-9]\\d* of ${all} operations$`)));
    const hits = await page.locator('section:visible').count();
    assert.ok(hits > 0 && hits < all);
    assert.equal(await page.locator('main h2:visible').count(), 1);
    assert.ok(await page.locator('section:visible').first().isVisible());
    assert.ok(await page.evaluate(() => CSS.highlights.get('hit').size > 0));
    const box = await page.locator('section:visible').first().boundingBox();
    assert.ok(box.y < 800, 'the first hit is on the screen');
    await find.fill('no such thing');
    await page.getByText('No operation matches “no such thing”').waitFor();
    assert.equal(await page.locator('section:visible').count(), 0);
    await find.fill('');
    await eventually(async () => assert.equal(await page.locator('section:visible').count(), all));
    return page;
  },
};

let failed = 0;
for (const [name, scenario] of Object.entries(scenarios)) {
  try {
    const page = await scenario();
    const faults = page.faults.filter((text) => !/status of 4\d\d/.test(text));
    assert.deepEqual(faults, []);
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${name}: ${error.message}`);
  }
}

if (folder) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      const options = { colorScheme, viewport: { width, height: width === 390 ? 844 : 800 } };
      const shoot = (page, name) => page.screenshot({ path: path.join(folder, `${name}-${width}-${colorScheme}.png`) });
      const page = await open('/graphql', options);
      await page.getByLabel('E-mail address').waitFor();
      await shoot(page, 'sign-in');
      await signIn(page);
      await tab(page, 'Dashboard');
      await run(page);
      await eventually(async () => assert.match(await editor(page, 'response'), /"domain": "shop.example"/));
      await shoot(page, 'dashboard');
      const reference = await open('/reference', options);
      await reference.locator('section').first().waitFor();
      await shoot(reference, 'reference');
      await reference.getByLabel('Find').fill('exclusions');
      await shoot(reference, 'hits');
      await reference.getByLabel('Find').fill('no such thing');
      await shoot(reference, 'none');
    }
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
