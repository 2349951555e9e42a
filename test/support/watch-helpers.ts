import type { Event, WatchCreateRequest, WatchRequest, WatchResponse } from './api-messages.ts';
import type { ApiStream, RawClient } from './raw-client.ts';

export type WatchStream = ApiStream<WatchRequest, WatchResponse>;

/** Opens a stream with one watch on it; resolves after its `created` answer. */
export async function openWatch(
  client: RawClient,
  request: WatchCreateRequest,
): Promise<{ stream: WatchStream; created: WatchResponse }> {
  const stream = client.watch();
  return { stream, created: await addWatch(stream, request) };
}

/** Adds a watch to a stream on which nothing else is about to arrive. */
export async function addWatch(stream: WatchStream, request: WatchCreateRequest): Promise<WatchResponse> {
  stream.send({ create_request: request });
  const created = await stream.next();
  if (!created.created) throw new Error('expected the answer to a create request');
  return created;
}

/** Takes responses until `count` events of any watch arrived; fails when more than that came with the last response. */
export async function takeEvents(stream: WatchStream, count: number, timeoutMs = 5_000): Promise<Event[]> {
  const events: Event[] = [];
  while (events.length < count) events.push(...(await stream.next(timeoutMs)).events);
  if (events.length !== count) throw new Error(`expected ${count} events, got ${events.length}`);
  return events;
}
