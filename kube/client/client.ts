import type { KubeObject } from '#core/resource.ts';
import type {
  KubeApi,
  ListPage,
  ObjectName,
  RequestOptions,
  ResourceType,
  Selection,
  WatchEvent,
} from '../api.ts';
import type { Clock } from '#base/clock.ts';
import { systemClock } from '#base/clock.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import { KubeConnectionError } from '../errors.ts';
import { collectionPath, objectPath, query, selectors } from './paths.ts';
import { refusal } from './status.ts';
import { Transport } from './transport.ts';
import type { TransportOptions, TransportRequest } from './transport.ts';
import { apiVersionOf } from '../types.ts';
import { watchEvents } from './watch-stream.ts';

export interface KubeClientOptions {
  readonly config: ClusterConfig;
  readonly clock?: Clock;
  /** What the server's audit log shows; default "mesh". */
  readonly userAgent?: string;
  /** For one whole request, in milliseconds; default 30 s, of a list 60 s. */
  readonly timeoutMs?: number;
  /** The longest page of a list that is read, bytes; reflectors ask for shorter pages beyond it. Default 64 MiB. */
  readonly maxListBytes?: number;
  readonly connectTimeoutMs?: number;
  readonly ping?: TransportOptions['ping'];
}

type RequestFields = Omit<TransportRequest, 'timeoutMs' | 'signal'>;

const MAX_OBJECT_BYTES = 8 * 1024 * 1024;
const MAX_LIST_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
/** How much later than asked for a watch may end. */
const WATCH_GRACE_MS = 30_000;

/**
 * A Kubernetes API server. All requests and watches share one connection (see {@link Transport}), which is made with the
 * first request. Methods throw `KubeError` when the server refuses, `KubeConnectionError` when it cannot be talked to, and the
 * signal's reason when the caller aborts.
 */
export class KubeClient implements KubeApi {
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #listTimeoutMs: number;
  readonly #maxListBytes: number;

  constructor(options: KubeClientOptions) {
    const { config, clock = systemClock, userAgent, connectTimeoutMs, ping } = options;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#listTimeoutMs = options.timeoutMs ?? 60_000;
    this.#maxListBytes = options.maxListBytes ?? MAX_LIST_BYTES;
    this.#transport = new Transport({
      config,
      clock,
      ...(userAgent === undefined ? {} : { userAgent }),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(ping === undefined ? {} : { ping }),
    });
  }

  /** What the present connection speaks; undefined while there is none. */
  get protocol(): 'h2' | 'http/1.1' | undefined {
    return this.#transport.protocol;
  }

  async get<T extends KubeObject>(
    type: ResourceType<T>,
    name: ObjectName,
    options?: RequestOptions,
  ): Promise<T> {
    return decoded(type, await this.#send({ method: 'GET', path: objectPath(type, name) }, options));
  }

  async list<T extends KubeObject>(
    type: ResourceType<T>,
    selection: Selection & { readonly limit?: number; readonly continueToken?: string } = {},
    options?: RequestOptions,
  ): Promise<ListPage<T>> {
    const { limit, continueToken } = selection;
    const path =
      collectionPath(type, selection.namespace) +
      query({ ...selectors(selection), limit, continue: continueToken });
    const answer = await this.#send({ method: 'GET', path }, options, {
      maxBytes: this.#maxListBytes,
      timeoutMs: this.#listTimeoutMs,
    });
    const body = answer as { items?: T[] | null; metadata?: { resourceVersion?: string; continue?: string } };
    const resourceVersion = body.metadata?.resourceVersion;
    if (resourceVersion === undefined || (body.items && !Array.isArray(body.items))) {
      throw new KubeConnectionError(`GET ${path}: the API server sent something that is not a list`);
    }
    return {
      items: (body.items ?? []).map((item) => decoded(type, item)),
      resourceVersion,
      ...(body.metadata?.continue ? { continueToken: body.metadata.continue } : {}),
    };
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    selection: Selection & { readonly resourceVersion: string; readonly timeoutSeconds: number },
    options?: RequestOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const { resourceVersion, timeoutSeconds } = selection;
    const path =
      collectionPath(type, selection.namespace) +
      query({
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion,
        timeoutSeconds,
        ...selectors(selection),
      });
    const request: TransportRequest = {
      method: 'GET',
      path,
      timeoutMs: this.#timeoutMs,
      ...signalOf(options),
    };
    const stream = await this.#transport.open(request, timeoutSeconds * 1000 + WATCH_GRACE_MS);
    const what = `watching ${type.plural}`;
    try {
      if (stream.status !== 200) {
        throw refusal(stream.status, await head(stream.chunks), what, stream.headers['retry-after']);
      }
      yield* watchEvents(stream.chunks, what, (wire: T) => decoded(type, wire));
    } finally {
      stream.close();
    }
  }

  async create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: RequestOptions): Promise<T> {
    const path = collectionPath(type, object.metadata.namespace);
    if (type.namespaced && !object.metadata.namespace) {
      throw new RangeError(`the ${type.kind} "${object.metadata.name}" has no namespace`);
    }
    return decoded(type, await this.#send({ method: 'POST', path, body: encoded(type, object) }, options));
  }

  async update<T extends KubeObject>(type: ResourceType<T>, object: T, options?: RequestOptions): Promise<T> {
    const path = objectPath(type, object.metadata);
    return decoded(type, await this.#send({ method: 'PUT', path, body: encoded(type, object) }, options));
  }

  async mergePatch<T extends KubeObject>(
    type: ResourceType<T>,
    name: ObjectName,
    patch: object,
    options?: RequestOptions & { readonly subresource?: 'status' },
  ): Promise<T> {
    const path = objectPath(type, name, options?.subresource);
    const contentType = 'application/merge-patch+json';
    return decoded(
      type,
      await this.#send({ method: 'PATCH', path, body: JSON.stringify(patch), contentType }, options),
    );
  }

  async apply<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    fieldManager: string,
    options?: RequestOptions & { readonly subresource?: 'status' },
  ): Promise<T> {
    const path =
      objectPath(type, object.metadata, options?.subresource) + query({ fieldManager, force: true });
    const contentType = 'application/apply-patch+yaml';
    return decoded(
      type,
      await this.#send({ method: 'PATCH', path, body: encoded(type, object), contentType }, options),
    );
  }

  async delete<T extends KubeObject>(
    type: ResourceType<T>,
    name: ObjectName,
    options?: RequestOptions,
  ): Promise<void> {
    await this.#send({ method: 'DELETE', path: objectPath(type, name) }, options);
  }

  async raw(path: string, options?: RequestOptions): Promise<unknown> {
    return this.#send({ method: 'GET', path }, options, { plainText: true });
  }

  /** Breaks the connection and everything in flight. Idempotent. */
  close(): void {
    this.#transport.close();
  }

  async #send(
    request: RequestFields,
    options: RequestOptions | undefined,
    { maxBytes = MAX_OBJECT_BYTES, timeoutMs = this.#timeoutMs, plainText = false } = {},
  ): Promise<unknown> {
    const response = await this.#transport.request({ ...request, timeoutMs, ...signalOf(options) }, maxBytes);
    const what = `${request.method} ${request.path}`;
    if (response.status >= 300 || response.status < 200) {
      throw refusal(response.status, response.text, what, response.headers['retry-after']);
    }
    try {
      return JSON.parse(response.text) as unknown;
    } catch (error) {
      if (plainText) return response.text;
      throw new KubeConnectionError(`${what}: the API server sent something that is not JSON`, error);
    }
  }
}

/** Lists carry items without `apiVersion` and `kind`; they are put back, so that all objects look the same. */
function decoded<T extends KubeObject>(type: ResourceType<T>, wire: unknown): T {
  const object = wire as T | null;
  if (typeof object !== 'object' || object === null) {
    throw new KubeConnectionError(`the API server sent something that is no ${type.kind}`);
  }
  const named: T =
    object.kind === undefined ? { apiVersion: apiVersionOf(type), kind: type.kind, ...object } : object;
  return type.decode ? type.decode(named) : named;
}

function encoded(type: ResourceType, object: KubeObject): string {
  return JSON.stringify({ ...object, apiVersion: type.objectVersion ?? apiVersionOf(type), kind: type.kind });
}

function signalOf(options: RequestOptions | undefined): { signal?: AbortSignal } {
  return options?.signal ? { signal: options.signal } : {};
}

async function head(chunks: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.length;
    if (size > MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(parts).toString('utf8');
}
