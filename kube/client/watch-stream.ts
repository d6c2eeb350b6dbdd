import type { KubeObject } from '#core/resource.ts';
import type { WatchEvent } from '../api.ts';
import { KubeConnectionError } from '../errors.ts';
import { refusalOfEvent } from './status.ts';

/** No object of the API comes near this; a longer line is not one. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * Reads the events of a watch from its bytes: one JSON object per line.
 *
 * @throws KubeError for an ERROR event (410 when the resourceVersion is too old)
 * @throws KubeConnectionError for what is not an event
 */
export async function* watchEvents<T extends KubeObject>(
  chunks: AsyncIterable<Buffer>,
  what: string,
  decode: (wire: T) => T,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of linesOf(chunks)) {
    const event = parse(line, what);
    if (event.type === 'ERROR') throw refusalOfEvent(event.object, what);
    if (event.type === 'BOOKMARK') {
      const resourceVersion = (event.object as KubeObject).metadata.resourceVersion;
      if (resourceVersion) yield { type: 'BOOKMARK', resourceVersion };
    } else if (event.type === 'ADDED' || event.type === 'MODIFIED' || event.type === 'DELETED') {
      yield { type: event.type, object: decode(event.object as T) };
    }
  }
}

function parse(line: string, what: string): { type: unknown; object: unknown } {
  let event: { type?: unknown; object?: { metadata?: { name?: unknown } | null } | null } | null;
  try {
    event = JSON.parse(line) as typeof event;
  } catch (error) {
    throw new KubeConnectionError(`${what}: the API server sent something that is not JSON`, error);
  }
  const isObject = typeof event?.object === 'object' && event.object !== null;
  if (!isObject || (event?.type !== 'ERROR' && typeof event?.object?.metadata !== 'object')) {
    throw new KubeConnectionError(`${what}: the API server sent something that is not an event`);
  }
  return { type: event?.type, object: event?.object };
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...pending, chunk.subarray(start, end)]).toString('utf8');
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.trim() !== '') yield line;
    }
    if (start < chunk.length) pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > MAX_LINE_BYTES)
      throw new KubeConnectionError('the API server sent an event that is too long');
  }
}
