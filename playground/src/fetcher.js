// How GraphiQL asks: JSON for queries and mutations, an event stream for subscriptions.
import { getOperationAST, parse } from 'graphql';
import { keep, send } from './session.js';

/** The operation to run, or null. Right after a change of tabs GraphiQL still names the operation of the tab before. */
function operationOf({ query, operationName }) {
  try {
    const document = parse(query);
    return getOperationAST(document, operationName) ?? getOperationAST(document);
  } catch {
    // The server says what is wrong with the document.
    return null;
  }
}

/** Gives each event of a stream, as { event, data }. */
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (text + value).split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const fields = block.split('\n').map((line) => line.split(/: ?(.*)/s));
      const field = (name) => fields.filter(([key]) => key === name).map(([, held]) => held).join('\n');
      if (field('event')) yield { event: field('event'), data: field('data') };
    }
  }
}

async function follow(params, headers, observer, signal) {
  try {
    const response = await send(params, headers, 'text/event-stream', signal);
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      observer.next(await response.json());
      return observer.complete();
    }
    for await (const { event, data } of eventsOf(response.body)) {
      if (event === 'next') observer.next(JSON.parse(data));
      if (event === 'complete') break;
    }
    observer.complete();
  } catch (error) {
    if (!signal.aborted) observer.error(error);
  }
}

/** An observable, which GraphiQL ends by its stop button. */
function subscription(params, headers) {
  return {
    subscribe(observer) {
      const stop = new AbortController();
      follow(params, headers, observer, stop.signal);
      return { unsubscribe: () => stop.abort() };
    },
  };
}

/** GraphiQL's fetcher. `onAnswer` sees the data of each answer. */
export const fetcher = (onAnswer) => async (given, options) => {
  const headers = options?.headers ?? {};
  const operation = operationOf(given);
  const params = operation ? { ...given, operationName: operation.name?.value } : given;
  if (operation?.operation === 'subscription') return subscription(params, headers);
  const answer = await (await send(params, headers)).json();
  for (const payload of Object.values(answer.data ?? {})) {
    if (typeof payload?.accessToken === 'string') keep(payload.accessToken);
  }
  onAnswer(answer.data ?? {});
  return answer;
};
