import { createServer as createHttp } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';

import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import type { ObjectName, ResourceType } from '../api.ts';
import { KubeClient } from '../client/client.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import { FakeResources } from './fake-resources.fake.ts';
import type { FakeRequest, Reviewer } from './fake-resources.fake.ts';
import { FakeStore, Refused } from './fake-store.fake.ts';
import type { SubjectAccessReview, TokenReview } from '../types.ts';
import { apiVersionOf } from '../types.ts';

export { Refused } from './fake-store.fake.ts';
export type { FakeRequest } from './fake-resources.fake.ts';

export interface FakeApiOptions {
  /** The Kubernetes version it says it is; default "1.31". */
  readonly version?: string;
  /** Serve TLS with this pair (see serving-cert.fake.ts). Default: plain HTTP. */
  readonly tls?: {
    readonly certPem: string;
    readonly keyPem: string;
    readonly protocol: 'h2' | 'http/1.1';
    readonly clientCaPem?: string;
  };
}

interface Failure {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly match: (request: FakeRequest) => boolean;
  times: number;
}

/**
 * An API server for tests, on loopback, with levers to break it. Any resource type is stored; nothing is validated.
 *
 *     const fake = await FakeApiServer.started();
 *     fake.put(PODS, { metadata: { name: 'web-1', namespace: 'shop' }, status: { podIP: '10.0.0.1' } });
 *     await new Thing({ api: fake.api }).run();
 *     expect(fake.find(INTENTIONS, { name: 'a', namespace: 'shop' })?.status).toEqual(...);
 *     await fake.close();
 */
export class FakeApiServer {
  readonly store = new FakeStore();
  /** Every request since the start (or since you emptied it), refused and failed ones too. */
  readonly requests: FakeRequest[] = [];
  /** Refuse what you like: return a `Refused(status, reason, message)`. */
  intercept: ((request: FakeRequest) => Refused | undefined) | undefined;
  /** Answers TokenReviews; by default no token is good. */
  onTokenReview: Reviewer<TokenReview> = () => ({ authenticated: false });
  /** Answers SubjectAccessReviews; by default everything is allowed. */
  onSubjectAccessReview: Reviewer<SubjectAccessReview> = () => ({ allowed: true });
  /** When set, only requests with this bearer token are let in. */
  requiredToken: string | undefined;
  /** What `api` sends as its token; read for each connection as a file would be. */
  token: string | undefined;

  readonly #options: FakeApiOptions;
  readonly #resources: FakeResources;
  readonly #sockets = new Set<Socket>();
  readonly #failures: Failure[] = [];
  readonly #garbled: { readonly text: string; readonly match: (request: FakeRequest) => boolean }[] = [];
  readonly #clients: KubeClient[] = [];
  #server: NetServer | undefined;
  #port = 0;
  #stalled = false;

  constructor(options: FakeApiOptions = {}) {
    this.#options = options;
    this.#resources = new FakeResources(this.store, {
      version: options.version ?? '1.31',
      reviewToken: (review) => this.onTokenReview(review),
      reviewAccess: (review) => this.onSubjectAccessReview(review),
    });
  }

  /** A server that is up. */
  static async started(options?: FakeApiOptions): Promise<FakeApiServer> {
    const fake = new FakeApiServer(options);
    await fake.start();
    return fake;
  }

  // ---- as a server

  /** Listens, on the port it had before if any. */
  async start(): Promise<void> {
    const server = this.#makeServer();
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Is gone: connections break, new ones are refused. What is stored stays, for `start`. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Ends the server and the clients that came from it; for `afterEach`. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.stop();
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://127.0.0.1:${this.#port}`;
  }

  get config(): ClusterConfig {
    const { tls } = this.#options;
    return {
      server: this.url,
      ...(tls ? { caPem: tls.certPem } : {}),
      token: () => Promise.resolve(this.token ?? ''),
    };
  }

  /** A client of this server; always the same one. */
  get api(): KubeClient {
    const [client = this.client()] = this.#clients;
    return client;
  }

  /** Another client, with a connection of its own. */
  client(options: Partial<ConstructorParameters<typeof KubeClient>[0]> = {}): KubeClient {
    const client = new KubeClient({ config: this.config, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Watches that are open now. */
  get openWatches(): number {
    return this.#resources.watches.size;
  }

  // ---- what is stored, without going through the API

  /** Stores an object as it is, status included, over whatever was there; watches are told. */
  put<T extends KubeObject>(type: ResourceType<T>, object: T): T {
    return this.store.put(resourceOf(type), {
      apiVersion: apiVersionOf(type),
      kind: type.kind,
      ...object,
    }) as T;
  }

  find<T extends KubeObject>(type: ResourceType<T>, name: ObjectName): T | undefined {
    return this.store.find(resourceOf(type), objectKey({ metadata: name })) as T | undefined;
  }

  /** All objects of a type, sorted by namespace and name. */
  objects<T extends KubeObject>(type: ResourceType<T>): readonly T[] {
    return this.store.all(resourceOf(type)) as readonly T[];
  }

  /** Deletes an object as the API would (finalizers hold it). */
  remove(type: ResourceType, name: ObjectName): void {
    this.store.remove(resourceOf(type), objectKey({ metadata: name }));
  }

  // ---- levers

  /** Ends every open watch in order, as a server does when a watch's time is up. */
  closeWatches(): void {
    for (const watch of this.#resources.watches) watch.end();
  }

  /** Breaks every connection, without warning; new ones are taken. */
  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Answers the next requests with an error. */
  failNext(
    status: number,
    times = 1,
    retryAfterSeconds?: number,
    match: Failure['match'] = () => true,
  ): void {
    this.#failures.push({ status, times, retryAfterSeconds, match });
  }

  /** Answers the next request with status 200 and this text. */
  garbleNext(text: string, match: (request: FakeRequest) => boolean = () => true): void {
    this.#garbled.push({ text, match });
  }

  /** Forgets history: open watches end with a 410 event, old resourceVersions and continue tokens are refused with 410. */
  gone(): void {
    this.store.compact();
    this.#resources.watchesAreGone();
  }

  /** Sends every open watch a bookmark with the present resourceVersion. */
  bookmark(): void {
    for (const watch of this.#resources.watches) watch.bookmark();
  }

  /** Sends raw text on every open watch. */
  writeToWatches(text: string): void {
    for (const watch of this.#resources.watches) watch.write(text);
  }

  /** Stops to answer: connections stay open, and nothing comes any more. Watches and requests of that time stay silent for ever. */
  stall(): void {
    this.#stalled = true;
    for (const watch of this.#resources.watches) watch.silence();
  }

  /** Answers new requests again. */
  resume(): void {
    this.#stalled = false;
  }

  // ---- inside

  #makeServer(): NetServer {
    const { tls } = this.#options;
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#handle(request, response);
    if (!tls) return createHttp(handle);
    const pair = {
      cert: tls.certPem,
      key: tls.keyPem,
      ...(tls.clientCaPem ? { requestCert: true, ca: tls.clientCaPem } : {}),
    };
    if (tls.protocol === 'http/1.1') return createHttps(pair, handle);
    return createSecureServer(pair, handle as never);
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#stalled) return;
    const url = new URL(incoming.url ?? '/', 'http://fake');
    const body = await readBody(incoming);
    const request: FakeRequest = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      watch: url.searchParams.get('watch') === 'true',
      contentType: incoming.headers['content-type'] ?? '',
      authorization: incoming.headers.authorization ?? '',
      body,
    };
    this.requests.push(request);
    const garbled = this.#garbled.findIndex(({ match }) => match(request));
    if (garbled >= 0) return void response.end(this.#garbled.splice(garbled, 1)[0]?.text);
    try {
      this.#admit(request);
      this.#resources.serve(request, response);
    } catch (error) {
      answerRefusal(response, error);
    }
  }

  #admit(request: FakeRequest): void {
    const failure = this.#failures.find(({ times, match }) => times > 0 && match(request));
    if (failure) {
      failure.times--;
      throw new Failed(failure.status, failure.retryAfterSeconds);
    }
    if (this.requiredToken !== undefined && request.authorization !== `Bearer ${this.requiredToken}`) {
      throw new Refused(401, 'Unauthorized', 'Unauthorized');
    }
    const refused = this.intercept?.(request);
    if (refused) throw refused;
  }
}

class Failed extends Refused {
  readonly retryAfterSeconds: number | undefined;
  constructor(status: number, retryAfterSeconds: number | undefined) {
    super(status, status === 429 ? 'TooManyRequests' : 'InternalError', 'failed on purpose');
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

function answerRefusal(response: ServerResponse, error: unknown): void {
  const refused = error instanceof Refused ? error : new Refused(500, 'InternalError', String(error));
  const retryAfterSeconds = refused instanceof Failed ? refused.retryAfterSeconds : undefined;
  response.writeHead(refused.status, {
    'content-type': 'application/json',
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
  });
  const { status: code, reason, message } = refused;
  response.end(
    JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }),
  );
}

function resourceOf(type: Pick<ResourceType, 'group' | 'plural'>): string {
  return `${type.group}/${type.plural}`;
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return parts.length === 0 ? undefined : JSON.parse(Buffer.concat(parts).toString('utf8'));
}
