import type { Clock, Timer } from '#base/clock.ts';

import type { Change, ObjectStore } from '../../store/object-store.ts';
import type { ApiObject } from '../../store/object.ts';
import { apiVersion, resourceId } from '../kind.ts';
import { FEW_PENDING_BYTES, MAX_ALL_PENDING_BYTES, MAX_PENDING_BYTES } from '../limits.ts';
import { badRequest, expired, invalid } from '../api-status-error.ts';
import type { ResourceRequest } from '../request.ts';
import { isAsked, numberOf } from '../request.ts';
import { selectionOf } from './selection.ts';
import { viewOf } from './table.ts';

/** Where the events go. */
export interface WatchSink {
  write(text: string): void;
  /** Bytes that are written and not sent yet. */
  readonly pending: number;
  end(): void;
  /** Breaks the connection. */
  destroy(): void;
}

const BOOKMARK_EVERY_MS = 60_000;
const DEFAULT_SECONDS = 1_800;
const LONGEST_SECONDS = 3_600;

/** The JSON of the object that was sent last: a change goes to many watches at once, and is written out for the first. */
export class EventTexts {
  #object: object | undefined;
  #text = '';

  of(object: object): string {
    if (object !== this.#object) {
      this.#text = JSON.stringify(object);
      this.#object = object;
    }
    return this.#text;
  }
}

export interface WatchDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly texts: EventTexts;
  /** Bytes that all watches together have written and that are not sent yet. */
  readonly allPending: () => number;
}

/** One open watch. */
export class Watch {
  readonly #deps: WatchDeps;
  readonly #resource: string;
  readonly #sink: WatchSink;
  readonly #selects: (object: ApiObject) => boolean;
  readonly #show: (object: ApiObject) => object;
  readonly #bookmark: (() => object) | undefined;
  #unsubscribe: () => void = () => undefined;
  #timers: readonly Timer[] = [];

  /** @throws ApiStatusError for parameters that cannot be read */
  constructor(deps: WatchDeps, request: ResourceRequest, sink: WatchSink) {
    const { kind, query } = request;
    this.#deps = deps;
    this.#sink = sink;
    this.#resource = resourceId(kind);
    this.#selects = selectionOf(request);
    this.#show = viewOf(request).object;
    const meta = { kind: kind.kind, apiVersion: apiVersion(kind) };
    this.#bookmark = isAsked(query, 'allowWatchBookmarks')
      ? () => ({
          ...meta,
          metadata: { resourceVersion: String(deps.store.version), creationTimestamp: null },
        })
      : undefined;
    if (query.get('sendInitialEvents') !== null) {
      const message =
        'Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
      throw invalid(kind, '', [{ reason: 'FieldValueForbidden', message, field: 'sendInitialEvents' }]);
    }
  }

  /** Sends what happened after the request's resourceVersion (without one, what is there), then what happens. */
  start(query: URLSearchParams): void {
    const { store, clock } = this.#deps;
    const since = numberOf(query, 'resourceVersion') ?? 0;
    const seconds = Math.min(numberOf(query, 'timeoutSeconds') || DEFAULT_SECONDS, LONGEST_SECONDS);
    if (since > store.version)
      throw badRequest(`Too large resource version: ${since}, current: ${store.version}`);
    if (since !== 0 && since < store.oldest) {
      const gone = expired(`too old resource version: ${since} (${store.oldest})`);
      this.#write('ERROR', gone.body);
      this.#sink.end();
      return;
    }
    if (since === 0)
      for (const object of store.list(this.#resource).filter(this.#selects))
        this.#write('ADDED', this.#show(object));
    else for (const change of store.since(since)) this.#deliver(change);
    this.#unsubscribe = store.subscribe((change) => this.#deliver(change));
    const repeat = (): void => {
      this.#tellVersion();
      this.#timers = [...this.#timers.slice(0, 1), clock.setTimeout(repeat, BOOKMARK_EVERY_MS)];
    };
    this.#timers = [
      clock.setTimeout(() => this.end(), seconds * 1000),
      clock.setTimeout(repeat, BOOKMARK_EVERY_MS),
    ];
  }

  /** Ends in order, with a bookmark. */
  end(): void {
    this.#tellVersion();
    this.stop();
    this.#sink.end();
  }

  /** The client is gone. Idempotent. */
  stop(): void {
    this.#unsubscribe();
    for (const timer of this.#timers) timer.cancel();
  }

  #tellVersion(): void {
    if (this.#bookmark) this.#write('BOOKMARK', this.#bookmark());
  }

  /** An object that begins to match was added, for this watch; one that ceases to was deleted. */
  #deliver({ resource, type, object, previous }: Change): void {
    if (resource !== this.#resource) return;
    const before = type !== 'ADDED' && previous !== undefined && this.#selects(previous);
    const now = type !== 'DELETED' && this.#selects(object);
    if (!before && !now) return;
    this.#write(
      before ? (now ? 'MODIFIED' : 'DELETED') : 'ADDED',
      this.#show(now || type === 'DELETED' ? object : leaving(object, previous)),
    );
  }

  /** Bytes that are written and not sent yet. */
  get pending(): number {
    return this.#sink.pending;
  }

  #isTooSlow(): boolean {
    const { pending } = this;
    if (pending <= FEW_PENDING_BYTES) return false;
    return pending > MAX_PENDING_BYTES || this.#deps.allPending() > MAX_ALL_PENDING_BYTES;
  }

  #write(type: string, object: object): void {
    if (this.#isTooSlow()) {
      this.stop();
      this.#sink.destroy();
      return;
    }
    this.#sink.write(`{"type":"${type}","object":${this.#deps.texts.of(object)}}\n`);
  }
}

/** An object that ceases to match is shown as it was when it did. */
function leaving(object: ApiObject, previous = object): ApiObject {
  const { resourceVersion = '' } = object.metadata;
  return { ...previous, metadata: { ...previous.metadata, resourceVersion } };
}
