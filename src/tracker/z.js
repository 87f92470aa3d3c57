/*
 * Footfall's browser tracker, served as /z.js.
 *
 *   <script defer data-id="ZV_..." src="https://stats.example/z.js"></script>
 *
 * Attributes of the script tag; the key of window.ZENOVAY_TRACKER_CONFIG in brackets wins over its attribute:
 *   data-id, data-tracking-code  the website's tracking code                                 [trackingCode]
 *   data-api-url                 where events go; default: the origin this script came from  [apiUrl]
 *   data-cookieless="true"       store nothing in the browser, send no visitor id            [cookielessMode]
 *   data-consent="required"      send nothing before zenovay('consent', 'granted')           [consent]
 *   data-auto="false"            no automatic page views                                     [auto]
 *   data-outbound="false"        no outbound_link events                                     [trackOutboundLinks]
 *   data-downloads="false"       no file_download events                                     [downloads]
 *   data-forms="false"           no form_submit events                                       [forms]
 *   data-scroll="false"          no scroll_milestone events                                  [scroll]
 * Only in ZENOVAY_TRACKER_CONFIG: debugMode (print what is sent), heartbeatSeconds (default 15; tests shorten it).
 *
 * Commands: zenovay(name, ...), zenovay.name(...), or entries of zenovay.q and zenovayQueue; see `commands` below. Any other name is a
 * custom event. Commands queued before the script arrived run in order, before the automatic page view.
 *
 * A page view is a load, or a change of the path or of a hash route (`#/...`, `#!/...`); other fragments and the query are details of a
 * page. Several websites may measure one page, each by a tag with its own code: commands go to all of them.
 *
 * - Nothing here throws into the page: whatever the page can call, or the browser calls back, goes through `safe`.
 * - A beacon may be sent twice, never counted twice: its event_id stays the same.
 * - A browser that keeps nothing sends no visitor id: a new one on every page would be a new visitor on every page.
 * - An automated browser (`navigator.webdriver`) says so; the server keeps its events as a bot's.
 * - The first beacon of a page that is refused is explained in the console.
 * - Clicks, file uploads and videos are not captured: 3.5 KB have no room for them.
 * - A decision on consent lasts as long as the page; consent banners state it on each load.
 */
(() => {
  const safe = (job) => (...args) => {
    try {
      return job(...args);
    } catch {
      // A tracker's fault is not the page's.
    }
  };

  safe(() => {
    const stub = window.zenovay || {};
    // What the tags of a page share: their codes, how commands reach each, and what was decided for all.
    const shared = stub.loaded || { runs: [], queued: [].concat(stub.q, window.zenovayQueue) };

    // ---- Configuration

    const script = document.currentScript || document.querySelector('script[src*="/z.js"]');
    const options = { ...script.dataset, ...window.ZENOVAY_TRACKER_CONFIG };
    const setting = (name, alias) => String(options[alias in options ? alias : name]);
    const wanted = (...names) => setting(...names) != 'false';

    const code = options.trackingCode || options.id;
    if (!code || shared[code]) return; // no website, or one that is measured already
    shared[code] = 1;
    const api = (options.apiUrl || new URL(script.src).origin).replace(/\/$/, '') + '/e/';
    const automatic = wanted('auto');
    const consentRequired = setting('consent') == 'required';
    const optedOut = navigator.globalPrivacyControl;
    const cookieless = optedOut || setting('cookieless', 'cookielessMode') == 'true';
    const heartbeat = (options.heartbeatSeconds || 15) * 1000;

    const later = safe((job, wait) => setTimeout(safe(job), wait));
    // Capturing at the window, so that a page that stops an event does not hide it.
    const on = (type, job) => addEventListener(type, safe(job), true);

    // ---- Identity: kept in storage where that is allowed and works, else in memory

    // shared.consent: 'granted', 'denied', or undecided
    // shared.disabled: by this page; other pages of the site say so in storage
    let memory = {};
    const LOCAL = 'localStorage';
    const BOTH = ['sessionStorage', LOCAL];
    const DISABLED = 'zenovay_off';
    const QUEUE = 'zenovay_queue_' + code;
    const SESSION = 'zenovay_sid';
    const VISITOR = 'zenovay_vid';

    const anonymous = () => cookieless || shared.consent == 'denied' || (consentRequired && !shared.consent);
    const off = () => shared.disabled || read(DISABLED);
    const silent = () => off() || (consentRequired && shared.consent != 'granted');

    // Storage may be absent, full, or forbidden.
    const read = safe((key, area = LOCAL) => window[area].getItem(key));
    const write = safe((key, value, area = LOCAL) => (value ? window[area].setItem(key, value) : window[area].removeItem(key)));

    const uuid = () =>
      // Not crypto.randomUUID, which plain http pages lack.
      '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) =>
        (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16),
      );

    // The id under `key`, a new one when there is none younger than `life`. Kept as "id.milliseconds"; `renewed` when used.
    const identity = (key, life, areas, renewed) => {
      const now = Date.now();
      if (anonymous()) areas = [];
      const known = [...areas.map((area) => read(key, area)), memory[key]].find((value) => value && value.split('.')[1] > now - life);
      const id = known ? known.split('.')[0] : uuid();
      memory[key] = known && !renewed ? known : id + '.' + now;
      areas.map((area) => write(key, memory[key], area));
      return id;
    };
    // The tab's own session first, else the one another tab is in.
    const sessionId = () => identity(SESSION, 1800e3, BOTH, true);
    const visitorId = () => identity(VISITOR, 365 * 864e5, [LOCAL]);

    const forget = () => {
      memory = {};
      [SESSION, VISITOR, QUEUE].map((key) => BOTH.map((area) => write(key, '', area)));
    };

    // ---- Delivery: at once, again after a failure, and by beacon when the page is left

    const queue = new Set(); // { path, text, failed } of what no answer has come for
    const flying = new Set();
    let failures = 0; // rounds in a row
    let timer;
    let leaving;
    let explained; // why a beacon was refused

    // What has failed outlives the page, in default mode only.
    const save = safe(() => {
      const failed = [...queue].filter((item) => item.failed);
      anonymous() || write(QUEUE, failed[0] && JSON.stringify(failed));
    });
    const restore = safe(() => queue.size || anonymous() || JSON.parse(read(QUEUE)).map((item) => queue.add(item)));

    // The server corrects a wrong clock by when it was sent.
    const bodyOf = ({ text }) => text.replace('{', `{"sent_at":${Date.now()},`);

    const send = async (item) => {
      let status = 599;
      flying.add(item);
      try {
        // A string travels as text/plain, which needs no preflight. Browsers cap the size of what they keep alive: not a second time.
        const answer = await fetch(api + item.path, { method: 'POST', body: bodyOf(item), keepalive: !item.failed });
        ({ status } = answer);
        if (/^4(?!29)/.test(status) && !explained) {
          explained = 1;
          console.warn('Footfall: event refused,', status, (await answer.text()).slice(0, 300));
        }
      } catch {
        // No network, no server, or no permission: as good as a server that failed.
      }
      flying.delete(item);
      if (!queue.delete(item)) return; // thrown away meanwhile
      if (status == 429 || status > 499) {
        item.failed = 1;
        queue.add(item); // last, so that one bad beacon cannot hold up the others
        timer = timer || later(retry, Math.min(6e4, 1e3 * 2 ** failures++) * (0.5 + Math.random() / 2));
      } else {
        failures = 0;
        later(flush);
      }
      save();
    };

    // A few at a time; while the server fails, one finds out whether it is back.
    const flush = () => {
      for (const item of queue) if (flying.size < (failures ? 1 : 9) && !flying.has(item)) send(item);
    };
    const retry = () => {
      timer = 0;
      flush();
    };

    const enqueue = (path, body) => {
      const visitor = visitorId();
      const beacon = {
        ...body,
        user_agent: userAgent,
        webdriver: navigator.webdriver || undefined,
        event_id: uuid(),
        session_id: sessionId(),
        visitor_id: anonymous() || read(VISITOR) != memory[VISITOR] ? undefined : visitor, // only an id that is kept
      };
      if (options.debugMode) console.log('zenovay', beacon);
      if (queue.size < 100) queue.add({ path: path + code, text: JSON.stringify(beacon) });
      failures || leaving || flush();
    };

    // ---- What is sent

    const { userAgent } = navigator;
    // The first name in "pattern:name,..." whose pattern occurs in the user agent; the server looks closer.
    const named = (names) => names.split(',').find((name) => userAgent.match(name.split(':')[0])).split(':').pop();

    let held = []; // commands that wait for a first decision on consent
    let referrer = document.referrer;

    const emit = (type, data, name) => {
      if (silent()) {
        off() || shared.consent || held[99] || held.push(() => emit(type, data, name));
        return;
      }
      const body = {
        type,
        name,
        data,
        url: location.href,
        title: document.title,
        referrer,
        device_type: named('iPad|Tablet:tablet,Mobi:mobile,Android:tablet,:desktop'),
        browser: named('Edg:Edge,OPR:Opera,Samsung,Firefox|FxiOS:Firefox,Chrome|CriOS:Chrome,Safari,:Other'),
        os: named('Windows,Android,iPhone|iPad:iOS,Mac:macOS,CrOS:ChromeOS,Linux,:Other'),
        screen_resolution: screen.width + 'x' + screen.height,
        language: optedOut ? undefined : navigator.language,
        timestamp: Date.now(),
      };
      if (type == 'pageview') titled((view = { body, was }), 10);
      else enqueue('', body);
    };

    // ---- Page views and the time spent on them

    let shown; // the URL last counted, and when
    let shownAt;
    let due; // a page view that had to be kept back
    let view; // a page view that waits for the page's own title
    let was = ''; // the title when the way to the page shown began
    let depth, milestone, interacted, visibleFrom, visibleFor, reported;

    // Sends the page view that waits. A title that is still the one before belongs to that page, unless the page had time to set its own.
    const settle = (title, late) => {
      if (!view) return;
      const { body } = view;
      body.title = late || title != view.was ? title : undefined;
      view = 0;
      silent() || enqueue('', body);
    };
    // Waits a second for a title; frameworks set theirs some time after the route.
    const titled = (mine, tries) => {
      if (view != mine) return;
      if (tries && document.title == mine.was) later(() => titled(mine, tries - 1), 100);
      else settle(document.title, 1);
    };

    const page = () => {
      due = silent();
      if (due || (shown == location.href && Date.now() - shownAt < 5e3)) return;
      settle(was);
      if (shown) {
        beat();
        referrer = shown;
      }
      shown = location.href;
      shownAt = Date.now();
      depth = milestone = interacted = visibleFrom = visibleFor = 0;
      tick();
      emit('pageview');
    };

    // The query, and an anchor, are no part of it; #/ and #!/ are.
    const route = (url) => url && url.replace(/\?[^#]*/, '').replace(/#(?!!?\/).*/, '');
    const isRouted = () => route(location.href) != route(shown);
    const routed = () => automatic && isRouted() && page();
    const departs = () => isRouted() || (was = document.title);

    const tick = () => {
      const now = Date.now();
      // No tick is further away than a heartbeat, unless the machine slept.
      if (visibleFrom) visibleFor += Math.min(now - visibleFrom, heartbeat * 2);
      visibleFrom = document.hidden ? 0 : now;
    };

    const measure = () => {
      depth = Math.max(depth, Math.min(100, (((scrollY + innerHeight) / document.documentElement.scrollHeight) * 100 + 0.5) | 0));
    };

    // What is new about the page shown: figures only grow, so a lost one is made good by the next.
    const beat = () => {
      tick();
      measure();
      const figures = { url: shown, duration: (visibleFor / 1e3) | 0, scroll_depth: depth, had_interaction: !!interacted };
      const text = JSON.stringify(figures);
      if (!shown || silent() || text == reported) return;
      reported = text;
      enqueue('heartbeat/', figures);
    };

    const beacon = safe((item) => navigator.sendBeacon(api + item.path, bodyOf(item)));
    const leave = () => {
      leaving = 1;
      routed();
      settle(document.title);
      beat();
      leaving = 0;
      // What flies is kept alive. A browser that breaks it off all the same does so between `pagehide` and `visibilitychange`: the second
      // hands it over, and its id makes it count once. What failed before may fail again, unheard, so it stays for the next page.
      for (const item of queue) flying.has(item) || !beacon(item) || item.failed || queue.delete(item);
      failures || flush();
    };

    // ---- Commands

    const resume = () => {
      if (silent()) return;
      restore();
      due && page();
      held.splice(0).map((job) => job());
      flush();
    };

    const commands = {
      __proto__: null,
      page,
      track: (name, data, step) => emit('event', step ? { funnel: data, ...step } : data, name),
      identify: (user, traits) => {
        const { id, ...data } = typeof user == 'object' ? user : { ...traits, user_id: user };
        data.user_id = data.user_id || id;
        if (!optedOut || data.user_id) emit('identify', optedOut ? { user_id: data.user_id } : data);
      },
      goal: (name, data) => emit('goal', data, name),
      revenue: (amount, currency = 'USD', data) => emit('revenue', { ...data, amount: +amount, currency }),
      consent: (decision) => {
        shared.consent = decision;
        if (decision == 'denied') {
          queue.clear();
          held = [];
          forget();
        }
        resume();
      },
      getVisitorId: visitorId,
      disable: () => {
        shared.disabled = 1;
        queue.clear();
        write(QUEUE);
        anonymous() || write(DISABLED, 1);
      },
      enable: () => {
        shared.disabled = 0;
        write(DISABLED);
        resume();
      },
      reset: forget,
    };

    const run = safe((entry) => {
      const [name, ...args] = Array.from(entry);
      if (commands[name]) return commands[name](...args);
      if (typeof name == 'string') commands.track(name, ...args);
    });

    shared.runs.push(run);
    if (!stub.loaded) {
      const all = (entry) => shared.runs.map((each) => each(entry))[0];
      const zenovay = (window.zenovay = (...entry) => all(entry));
      zenovay.loaded = shared;
      const push = (...entries) => entries.map(all);
      (stub.q || {}).push = push; // for pages that hold on to the stub
      zenovay.q = window.zenovayQueue = { push };
      Object.keys(commands).map((name) => (zenovay[name] = (...args) => all([name, ...args])));
    }

    // ---- What the browser tells

    on('visibilitychange', () => (document.hidden ? leave() : tick()));
    on('pagehide', leave);
    on('online', flush);
    on('pageshow', (event) => event.persisted && automatic && page());
    on('popstate', () => {
      was = document.title;
      later(routed);
    });
    ['pushState', 'replaceState'].map(
      safe((name) => {
        const original = history[name];
        history[name] = function () {
          safe(departs)();
          const result = original.apply(this, arguments);
          later(routed); // the page may change the address again at once
          return result;
        };
      }),
    );

    ['keydown', 'pointerdown'].map((type) => on(type, () => (interacted = 1)));
    const FILES = /\.(pdf|zip|[rt]ar|7z|t?gz|dmg|pkg|exe|msi|apk|csv|txt|docx?|xlsx?|pptx?|od[st]|epub|mp[34])$/i;
    ['click', 'auxclick'].map((type) =>
      on(type, (event) => {
        // Through shadow roots; the address of a link in SVG is an object.
        const link = event.composedPath().find((node) => node.matches && node.matches('a,area') && node.href);
        if (!link || event.button > 1) return;
        const { href, host, pathname } = new URL(link.href.animVal || link.href, document.baseURI);
        if (link.hasAttribute('download') || FILES.test(pathname)) {
          wanted('downloads') && commands.track('file_download', { url: href });
        } else if (/^http/.test(href) && host != location.host) {
          wanted('outbound', 'trackOutboundLinks') && commands.track('outbound_link', { url: href, text: link.textContent.trim().slice(0, 100) });
        }
      }),
    );
    wanted('forms') &&
      on('submit', ({ target }) => {
        // Not the properties: a field called "id" hides the form's.
        const said = (name) => target.getAttribute(name) || undefined;
        commands.track('form_submit', {
          form_id: said('id'),
          form_name: said('name'),
          form_action: said('action'),
          field_count: target.querySelectorAll('input,select,textarea').length,
        });
      });

    // Once a frame at most. Only where the page itself has scrolled: otherwise a short page would be read to its end at once.
    on('scroll', () => {
      measure();
      for (const step of [25, 50, 75, 90, 100]) {
        if (scrollY && step > milestone && step <= depth) {
          milestone = step;
          wanted('scroll') && commands.track('scroll_milestone', { depth: step });
        }
      }
    });

    // ---- Start: a page that is only prerendered has not been seen

    const start = safe(() => {
      restore();
      shared.queued.map(run);
      routed();
      flush();
      // While something waits for an answer there is no use in telling more; figures only grow.
      setInterval(safe(() => document.hidden || queue.size || beat()), heartbeat);
    });
    document.prerendering ? on('prerenderingchange', start) : start();
  })();
})();
