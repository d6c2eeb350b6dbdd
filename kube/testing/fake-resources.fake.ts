import type { ServerResponse } from 'node:http';

import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import { keyOf, readAddress } from './fake-address.fake.ts';
import type { Address } from './fake-address.fake.ts';
import { fieldMatcher, labelMatcher } from '../selectors.ts';
import type { Matcher } from '../selectors.ts';
import { Refused, without } from './fake-store.fake.ts';
import type { FakeStore } from './fake-store.fake.ts';
import { FakeWatch } from './fake-watch.fake.ts';
import type { SubjectAccessReview, TokenReview } from '../types.ts';

/** A request as tests look at it. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly watch: boolean;
  readonly contentType: string;
  readonly authorization: string;
  readonly body: unknown;
}

/** Makes the status of a review from its spec. */
export type Reviewer<T extends { status?: unknown }> = (review: T) => NonNullable<T['status']>;

export interface FakeResourcesOptions {
  readonly version: string;
  readonly reviewToken: Reviewer<TokenReview>;
  readonly reviewAccess: Reviewer<SubjectAccessReview>;
}

/** The part of the fake server that knows resources: reads and writes the store as a request asks. */
export class FakeResources {
  readonly watches = new Set<FakeWatch>();
  readonly #store: FakeStore;
  readonly #options: FakeResourcesOptions;

  constructor(store: FakeStore, options: FakeResourcesOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** @throws Refused */
  serve(request: FakeRequest, response: ServerResponse): void {
    const address = readAddress(request.path);
    if (!address) return answer(response, 200, this.#meta(request.path));
    if (request.watch) return this.#watch(request, address, response);
    answer(response, request.method === 'POST' ? 201 : 200, this.#act(request, address));
  }

  watchesAreGone(): void {
    for (const watch of this.watches) watch.gone();
  }

  #meta(path: string): unknown {
    const [major = '', minor = ''] = this.#options.version.split('.');
    if (path === '/version') return { major, minor, gitVersion: `v${this.#options.version}.0` };
    if (path === '/apis/discovery.k8s.io') {
      const versions = Number(minor) >= 25 ? ['v1'] : Number(minor) >= 21 ? ['v1', 'v1beta1'] : ['v1beta1'];
      return {
        kind: 'APIGroup',
        name: 'discovery.k8s.io',
        versions: versions.map((version) => ({ version })),
      };
    }
    if (path === '/readyz' || path === '/healthz' || path === '/livez') return 'ok';
    throw new Refused(404, 'NotFound', 'the server could not find the requested resource');
  }

  #act(request: FakeRequest, address: Address): unknown {
    const { method, body } = request;
    if (address.name === undefined) {
      if (method === 'GET') return this.#list(request, address);
      if (method === 'POST') return this.#create(body as KubeObject, address);
      throw new Refused(405, 'MethodNotAllowed', `${method} is not done to a collection`);
    }
    const object = body as KubeObject;
    const { resource, subresource } = address;
    const key = keyOf(address);
    if (method === 'GET') return served(this.#store.get(resource, key), address);
    if (method === 'PUT') return served(this.#store.update(resource, key, object, subresource), address);
    if (method === 'DELETE') return served(this.#store.remove(resource, key), address);
    if (method !== 'PATCH') throw new Refused(405, 'MethodNotAllowed', method);
    if (request.contentType.startsWith('application/apply-patch')) {
      const named = { ...object, metadata: { ...object.metadata, name: address.name } };
      return served(
        this.#store.apply(resource, key, named, request.query['fieldManager'] ?? '', subresource),
        address,
      );
    }
    if (!request.contentType.startsWith('application/merge-patch')) {
      throw new Refused(415, 'UnsupportedMediaType', request.contentType);
    }
    return served(this.#store.mergePatch(resource, key, body, subresource), address);
  }

  #create(object: KubeObject, address: Address): unknown {
    if (address.resource === 'authentication.k8s.io/tokenreviews') {
      return { ...object, status: this.#options.reviewToken(object as TokenReview) };
    }
    if (address.resource === 'authorization.k8s.io/subjectaccessreviews') {
      return { ...object, status: this.#options.reviewAccess(object as SubjectAccessReview) };
    }
    if (
      address.namespace !== undefined &&
      (object.metadata.namespace ?? address.namespace) !== address.namespace
    ) {
      throw new Refused(
        400,
        'BadRequest',
        'the namespace of the object does not match the one of the request',
      );
    }
    const namespace = address.namespace === undefined ? {} : { namespace: address.namespace };
    return served(
      this.#store.create(address.resource, { ...object, metadata: { ...object.metadata, ...namespace } }),
      address,
    );
  }

  #list(request: FakeRequest, address: Address): unknown {
    const matches = matcherOf(request, address);
    const token = readToken(request.query['continue']);
    if (token && token.version < this.#store.oldest)
      throw new Refused(410, 'Expired', 'The provided continue parameter is too old');
    const limit = Number(request.query['limit'] ?? 0) || Number.POSITIVE_INFINITY;
    const rest = this.#store
      .all(address.resource)
      .filter((object) => matches(object) && objectKey(object) > (token?.after ?? ''));
    const page = rest.slice(0, limit);
    const version = token?.version ?? this.#store.version;
    const last = page.at(-1);
    const more =
      rest.length > page.length && last ? { continue: writeToken({ version, after: objectKey(last) }) } : {};
    const items = page.map((object) => without(without(object, 'apiVersion'), 'kind'));
    return {
      kind: 'List',
      apiVersion: address.apiVersion,
      metadata: { resourceVersion: String(version), ...more },
      items,
    };
  }

  #watch(request: FakeRequest, address: Address, response: ServerResponse): void {
    const since = Number(request.query['resourceVersion'] ?? this.#store.version);
    const matches = matcherOf(request, address);
    response.writeHead(200, { 'content-type': 'application/json' });
    const watch = new FakeWatch({
      response,
      store: this.#store,
      resource: address.resource,
      matches,
      serve: (object) => served(object, address),
      onEnd: () => this.watches.delete(watch),
    });
    this.watches.add(watch);
    if (since < this.#store.oldest) return watch.gone();
    watch.start(since, Number(request.query['timeoutSeconds'] ?? 300));
  }
}

function matcherOf(request: FakeRequest, address: Address): Matcher {
  const { labelSelector, fieldSelector } = request.query;
  const matchers: (Matcher | undefined)[] = [];
  if (labelSelector) matchers.push(labelMatcher(labelSelector));
  if (fieldSelector) matchers.push(fieldMatcher(fieldSelector));
  if (matchers.includes(undefined)) throw new Refused(400, 'BadRequest', 'unable to parse the selector');
  if (address.namespace !== undefined)
    matchers.push((object) => object.metadata.namespace === address.namespace);
  return (object) => matchers.every((matches) => matches?.(object));
}

function served(object: KubeObject, address: Address): KubeObject {
  return { ...object, apiVersion: address.apiVersion };
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
  });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

interface ContinueToken {
  readonly version: number;
  readonly after: string;
}

function writeToken(token: ContinueToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function readToken(text: string | undefined): ContinueToken | undefined {
  return text ? (JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as ContinueToken) : undefined;
}
