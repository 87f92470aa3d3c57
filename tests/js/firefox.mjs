// Firefox by WebDriver BiDi, with the few methods of Playwright that the scenarios of tracker.mjs use.
//
// Playwright drives only a Firefox of its own making; this is the distribution's. Each page is a window, since a tab behind another is hidden.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { WebSocket } from 'ws';

const DEADLINE = 30_000; // for any one command
const START_DEADLINE = 120_000; // a new profile on a busy machine
const VIEWPORT = { width: 1280, height: 720 };
const PREFERENCES = {
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.disable_open_during_load': false, // pages may open windows
  'dom.security.https_first': false,
  'extensions.getAddons.cache.enabled': false,
  'intl.accept_languages': 'nl-NL',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.dns.forceResolve': '127.0.0.1',
  'network.prefetch-next': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

// What a remote value of WebDriver BiDi stands for.
const local = ({ type, value }) => {
  if (type === 'array') return value?.map(local);
  if (type === 'object' && value) return Object.fromEntries(value.map(([key, held]) => [key, local(held)]));
  return type === 'null' ? null : value;
};

const within = (promise, what, deadline = DEADLINE) =>
  Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error(`Firefox: no answer to ${what}`)), deadline).unref()),
  ]);

export class Firefox {
  waiting = new Map(); // commands by id
  contexts = new Map(); // by the id of their user context
  next = 1;

  static async launch(executablePath) {
    const firefox = new Firefox();
    firefox.home = await mkdtemp(path.join(os.tmpdir(), 'footfall-firefox-'));
    const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    await writeFile(path.join(firefox.home, 'user.js'), lines.join(''));
    firefox.child = spawn(executablePath, ['--headless', '--no-remote', '--profile', firefox.home, '--remote-debugging-port', '0'], {
      env: { ...process.env, HOME: firefox.home, MOZ_HEADLESS_WIDTH: VIEWPORT.width, MOZ_HEADLESS_HEIGHT: VIEWPORT.height },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    firefox.ended = new Promise((resolve) => firefox.child.once('exit', resolve));
    try {
      await within(firefox.connect(), 'its start', START_DEADLINE);
    } catch (error) {
      await firefox.close();
      throw error;
    }
    return firefox;
  }

  async connect() {
    const address = await new Promise((resolve, reject) => {
      let said = '';
      this.child.once('error', reject);
      this.child.once('exit', () => reject(new Error(`Firefox did not start: ${said}`)));
      this.child.stderr.on('data', (part) => {
        said += part;
        const found = said.match(/WebDriver BiDi listening on (ws:\S+)/);
        if (found) resolve(found[1]);
      });
    });
    this.socket = new WebSocket(`${address}/session`);
    await new Promise((resolve, reject) => this.socket.once('open', resolve).once('error', reject));
    this.socket.on('message', (text) => this.hear(JSON.parse(text)));
    await this.send('session.new', { capabilities: {} });
    await this.send('session.subscribe', { events: ['log.entryAdded'] });
  }

  hear({ id, type, result, message, params }) {
    if (type === 'event') {
      const context = this.contexts.get(params.source.userContext) ?? [...this.contexts.values()].find((one) => one.has(params.source.context));
      context?.hear(params);
      return;
    }
    const { resolve, reject, method } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (type === 'success') resolve?.(result);
    else reject?.(new Error(`${method}: ${message}`));
  }

  send(method, params) {
    const id = this.next++;
    const answered = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, method }));
    this.socket.send(JSON.stringify({ id, method, params }));
    return within(answered, method);
  }

  async newContext({ extraHTTPHeaders } = {}) {
    const { userContext } = await this.send('browser.createUserContext', {});
    const context = new Context(this, userContext);
    this.contexts.set(userContext, context);
    if (extraHTTPHeaders) {
      const headers = Object.entries(extraHTTPHeaders).map(([name, value]) => ({ name, value: { type: 'string', value } }));
      await this.send('network.setExtraHeaders', { headers, userContexts: [userContext] });
    }
    return context;
  }

  async close() {
    this.socket?.terminate();
    this.child.kill();
    await this.ended;
    await rm(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Context {
  listeners = { weberror: [], console: [] };
  pages = new Set();

  constructor(firefox, id) {
    Object.assign(this, { firefox, id });
  }

  on(name, listener) {
    this.listeners[name].push(listener);
  }

  has(page) {
    return this.pages.has(page);
  }

  // What the browser itself says of a request that it stopped is no error of the page.
  hear({ type, level, text }) {
    if (/^(Content-Security-Policy|Cross-Origin Request Blocked)/.test(text)) return;
    if (type === 'javascript' && level === 'error') this.listeners.weberror.forEach((tell) => tell({ error: () => new Error(text) }));
    if (type === 'console') this.listeners.console.forEach((tell) => tell({ type: () => level, text: () => text }));
  }

  addInitScript(script) {
    return this.firefox.send('script.addPreloadScript', { functionDeclaration: String(script), userContexts: [this.id] });
  }

  async newPage() {
    const { context } = await this.firefox.send('browsingContext.create', { type: 'window', userContext: this.id });
    await this.firefox.send('browsingContext.setViewport', { context, viewport: VIEWPORT });
    this.pages.add(context);
    return new Page(this.firefox, context);
  }

  async close() {
    await this.firefox.send('browser.removeUserContext', { userContext: this.id });
    this.firefox.contexts.delete(this.id);
  }
}

class Page {
  mouse = { click: (x, y) => this.press({ x, y }) };

  constructor(firefox, id) {
    Object.assign(this, { firefox, id });
  }

  async goto(url, { waitUntil = 'load' } = {}) {
    await this.firefox.send('browsingContext.navigate', { context: this.id, url, wait: waitUntil === 'commit' ? 'none' : 'complete' });
  }

  // A function with one JSON argument, or an expression. Pages may have broken JSON, so their side does without.
  async evaluate(job, argument) {
    const call = typeof job === 'function' ? `(${job})(${argument === undefined ? '' : JSON.stringify(argument)})` : job;
    const { type, result, exceptionDetails } = await this.firefox.send('script.callFunction', {
      functionDeclaration: `async () => (${call})`,
      awaitPromise: true,
      target: { context: this.id },
    });
    if (type !== 'success') throw new Error(exceptionDetails.text);
    return local(result);
  }

  async waitForFunction(job) {
    await this.until(() => this.evaluate(job), String(job));
  }

  async waitForURL(pattern) {
    await this.until(async () => (await this.url()).endsWith(pattern.replace('**', '')) && (await this.evaluate('document.readyState')) === 'complete', pattern);
  }

  async until(look, what) {
    for (const end = Date.now() + DEADLINE; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      // A page that is being left answers nothing.
      if (await look().catch(() => false)) return;
      if (Date.now() > end) throw new Error(`Firefox: waited in vain for ${what}`);
    }
  }

  async url() {
    const { contexts } = await this.firefox.send('browsingContext.getTree', { root: this.id, maxDepth: 0 });
    return contexts[0].url;
  }

  title() {
    return this.evaluate('document.title');
  }

  async click(selector) {
    const point = await this.evaluate((wanted) => {
      const element = document.querySelector(wanted);
      element.scrollIntoView({ block: 'nearest' });
      const { x, y, width, height } = element.getBoundingClientRect();
      return { x: Math.floor(x + width / 2), y: Math.floor(y + height / 2) };
    }, selector);
    await this.press(point);
  }

  async press({ x, y }) {
    const actions = [{ type: 'pointerMove', x, y }, { type: 'pointerDown', button: 0 }, { type: 'pointerUp', button: 0 }];
    await this.firefox.send('input.performActions', { context: this.id, actions: [{ type: 'pointer', id: 'mouse', actions }] });
  }

  async close() {
    await this.firefox.send('browsingContext.close', { context: this.id });
  }
}
