import type { ServerResponse } from 'node:http';

import type { KubeObject } from '#core/resource.ts';
import type { Matcher } from '../selectors.ts';
import type { FakeStore, StoredEvent } from './fake-store.fake.ts';

export interface FakeWatchOptions {
  readonly response: ServerResponse;
  readonly store: FakeStore;
  readonly resource: string;
  readonly matches: Matcher;
  readonly serve: (object: KubeObject) => KubeObject;
  readonly onEnd: () => void;
}

/** One open watch of the fake server. */
export class FakeWatch {
  readonly #options: FakeWatchOptions;
  #stopListening: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #silent = false;

  constructor(options: FakeWatchOptions) {
    this.#options = options;
    options.response.on('error', () => undefined);
    options.response.once('close', () => this.#over());
  }

  /** Sends what happened after `since`, then what happens. */
  start(since: number, timeoutSeconds: number): void {
    const { store, response } = this.#options;
    response.flushHeaders();
    for (const event of store.since(since)) this.#deliver(event);
    this.#stopListening = store.onEvent((event) => this.#deliver(event));
    this.#timer = setTimeout(() => this.end(), timeoutSeconds * 1000).unref();
  }

  bookmark(): void {
    const { store } = this.#options;
    this.#send('BOOKMARK', { metadata: { name: '', resourceVersion: String(store.version) } });
  }

  gone(): void {
    const status = {
      kind: 'Status',
      status: 'Failure',
      code: 410,
      reason: 'Expired',
      message: 'too old resource version',
    };
    this.#send('ERROR', status);
    this.end();
  }

  write(text: string): void {
    if (!this.#silent) this.#options.response.write(text);
  }

  end(): void {
    if (this.#silent) return;
    this.#options.response.end();
    this.#over();
  }

  /** Sends nothing any more, and does not end either. */
  silence(): void {
    this.#silent = true;
  }

  /** An object that begins to match was added, for this watch; one that ceases to was deleted. */
  #deliver({ resource, type, object, previous }: StoredEvent): void {
    if (resource !== this.#options.resource) return;
    const before = type !== 'ADDED' && previous !== undefined && this.#options.matches(previous);
    const now = type !== 'DELETED' && this.#options.matches(object);
    if (before || now)
      this.#send(before ? (now ? 'MODIFIED' : 'DELETED') : 'ADDED', this.#options.serve(object));
  }

  #send(type: string, object: unknown): void {
    this.write(`${JSON.stringify({ type, object })}\n`);
  }

  #over(): void {
    clearTimeout(this.#timer);
    this.#stopListening();
    this.#options.onEnd();
  }
}
