// The tracker as an ES module: loads z.js once for each website and hands it commands, in order, whether it has arrived or not.
// Safe where there is no DOM: on a server nothing happens and nothing throws.

const browser = () => typeof window !== 'undefined' && typeof document !== 'undefined';

// Before z.js arrives this queue is an array; afterwards its `push` runs the command.
function push(...command) {
  if (!browser()) return;
  const zenovay = (window.zenovay =
    window.zenovay ||
    function () {
      window.zenovay.q.push(arguments);
    });
  (zenovay.q = zenovay.q || []).push(command);
}

// `path` beside this module; nowhere when a bundler has left no address to start from.
function beside(path) {
  try {
    return new URL(path, import.meta.url).href;
  } catch {
    return path;
  }
}

export function init(code, options = {}) {
  if (!browser() || [...document.querySelectorAll('script[data-footfall]')].some((script) => script.dataset.id === code)) return;
  const { apiUrl, scriptUrl = apiUrl ? apiUrl.replace(/\/$/, '') + '/z.js' : beside('./z.js') } = options;
  const script = document.createElement('script');
  script.src = scriptUrl;
  script.async = true;
  script.dataset.footfall = '';
  script.dataset.id = code;
  if (apiUrl) script.dataset.apiUrl = apiUrl;
  if (options.cookieless) script.dataset.cookieless = 'true';
  if (options.consent) script.dataset.consent = options.consent;
  for (const name of ['auto', 'outbound', 'downloads', 'forms', 'scroll']) {
    if (options[name] === false) script.dataset[name] = 'false';
  }
  document.head.append(script);
}

export const page = () => push('page');
export const track = (name, properties) => (properties ? push('track', name, properties) : push('track', name));
export const identify = (user, traits) => (traits ? push('identify', user, traits) : push('identify', user));
export const goal = (name, properties = {}) => push('goal', name, properties);
export const revenue = (amount, currency = 'USD', details = {}) => push('revenue', amount, currency, details);
export const enable = () => push('enable');
export const disable = () => push('disable');
