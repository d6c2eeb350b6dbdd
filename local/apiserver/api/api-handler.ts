import type { Clock } from '#base/clock.ts';
import { isRecord } from '#base/record.ts';

import type { ObjectStore } from '../store/object-store.ts';
import type { ApiObject, Json } from '../store/object.ts';
import { checkGrant } from './access/grants.ts';
import type { Authorizer } from './access/authorizer.ts';
import type { WriteOptions, Writer } from './change/writer.ts';
import { APPLY_PATCH } from './change/patch.ts';
import { verbsOf } from './kind.ts';
import { list } from './read/list.ts';
import { selectedName, selectionOf } from './read/selection.ts';
import { viewOf } from './read/table.ts';
import { badRequest, forbidden, methodNotAllowed } from './api-status-error.ts';
import type { ResourceRequest } from './request.ts';
import { isAsked } from './request.ts';
import type { Reviews } from './review/reviews.ts';

export interface ApiHandlerDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly writer: Writer;
  readonly authorizer: Authorizer;
  readonly reviews: Reviews;
}

export interface ApiResponse {
  readonly status: number;
  readonly body: object;
  readonly warnings?: readonly string[];
}

const MAX_MANAGER = 128;

/** Answers requests about resources; watches, which have no one answer, are their server's matter. */
export class ApiHandler {
  readonly #deps: ApiHandlerDeps;

  constructor(deps: ApiHandlerDeps) {
    this.#deps = deps;
  }

  /** @throws ApiStatusError 403 when the user may not, 405 when nobody can */
  authorize(request: Omit<ResourceRequest, 'body'>): void {
    const { kind, namespace, name, subresource, user, query } = request;
    const verb = verbOf(request);
    const possible = subresource ? subresourceVerbs(subresource) : verbsOf(kind);
    if (!possible.includes(verb)) throw methodNotAllowed();
    const resource = subresource ? `${kind.plural}/${subresource}` : kind.plural;
    const wanted = { verb, group: kind.group, resource, namespace, name: name ?? selectedName(query) };
    if (kind.access === 'review' && kind.kind.startsWith('Self')) return;
    if (this.#deps.authorizer.allows(user, wanted)) return;
    const where =
      kind.namespaced && namespace !== undefined ? `in the namespace "${namespace}"` : 'at the cluster scope';
    const what = `User "${user.username}" cannot ${verb} resource "${resource}" in API group "${kind.group}" ${where}`;
    throw forbidden(kind, name ?? '', what);
  }

  /** @throws ApiStatusError */
  async answer(request: ResourceRequest): Promise<ApiResponse> {
    const { kind, method, name, subresource } = request;
    if (kind.access === 'review') return { status: 201, body: this.#deps.reviews.review(request) };
    if (subresource === 'token') return { status: 201, body: this.#deps.reviews.token(request) };
    if (method === 'GET')
      return {
        status: 200,
        body: name === undefined ? list(this.#deps.store, request) : this.#get(request, name),
      };
    if (method === 'DELETE')
      return {
        status: 200,
        body: name === undefined ? this.#deleteAll(request) : this.#delete(request, name),
      };
    return this.#write(request);
  }

  #get(request: ResourceRequest, name: string): object {
    return viewOf(request).object(this.#deps.writer.get({ ...request, name }));
  }

  async #write(request: ResourceRequest): Promise<ApiResponse> {
    const { writer, authorizer } = this.#deps;
    const { method, kind, namespace, contentType, body, user } = request;
    const options = writeOptions(request);
    const shown = ({ object, created }: { object: ApiObject; created: boolean }): ApiResponse => ({
      status: created ? 201 : 200,
      body: viewOf(request).object(object),
      warnings: options.warnings,
    });
    const granted = (object: ApiObject): void => checkGrant(authorizer, user, kind, object);
    if (method === 'POST')
      return shown({
        object: await writer.create(kind, namespace, body, { ...options, granted }),
        created: true,
      });
    const place = { kind, namespace, name: request.name ?? '' };
    if (method === 'PUT')
      return shown({ object: await writer.update(place, body, { ...options, granted }), created: false });
    if (contentType !== APPLY_PATCH)
      return shown({
        object: await writer.patch(place, contentType, body, { ...options, granted }),
        created: false,
      });
    if (!request.query.get('fieldManager')) throw badRequest('fieldManager is required for apply patch');
    const force = isAsked(request.query, 'force');
    return shown(await writer.apply(place, body, { ...options, granted, force }));
  }

  #delete({ kind, namespace, query, body }: ResourceRequest, name: string): object {
    const place = { kind, namespace, name };
    const { uid, resourceVersion } = preconditions(body);
    const { object, gone } = this.#deps.writer.delete(place, {
      uid,
      resourceVersion,
      dryRun: isDryRun(query, body),
    });
    if (!gone) return object;
    const details = {
      name,
      ...(kind.group ? { group: kind.group } : {}),
      kind: kind.plural,
      uid: object.metadata.uid,
    };
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
  }

  #deleteAll(request: ResourceRequest): object {
    const { kind, query, body } = request;
    const doomed = this.#deps.store.list(`${kind.group}/${kind.plural}`).filter(selectionOf(request));
    const items = doomed.map(({ metadata: { name, namespace } }) => {
      return this.#deps.writer.delete({ kind, name, namespace }, { dryRun: isDryRun(query, body) }).object;
    });
    return viewOf(request).list(items, { resourceVersion: String(this.#deps.store.version) });
  }
}

/** The verb of RBAC that a request stands for. */
function verbOf({
  method,
  name,
  query,
  subresource,
}: Pick<ResourceRequest, 'method' | 'name' | 'query' | 'subresource'>): string {
  switch (method) {
    case 'GET':
      return isWatch(query) ? 'watch' : name === undefined ? 'list' : 'get';
    case 'POST':
      return subresource !== undefined || name === undefined ? 'create' : '';
    case 'PUT':
      return name === undefined ? '' : 'update';
    case 'PATCH':
      return name === undefined ? '' : 'patch';
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete';
    default:
      return '';
  }
}

export function isWatch(query: URLSearchParams): boolean {
  return isAsked(query, 'watch');
}

function subresourceVerbs(subresource: string): readonly string[] {
  return subresource === 'status' ? ['get', 'update', 'patch'] : ['create'];
}

function writeOptions({
  query,
  user,
  userAgent,
  subresource,
}: ResourceRequest): Omit<WriteOptions, 'granted'> {
  const validation = query.get('fieldValidation') || 'Warn';
  if (validation !== 'Ignore' && validation !== 'Warn' && validation !== 'Strict')
    throw badRequest(`fieldValidation: ${JSON.stringify(validation)}: write Ignore, Warn or Strict`);
  const [program = ''] = userAgent.split('/');
  const fieldManager = query.get('fieldManager') || program || 'unknown';
  if (fieldManager.length > MAX_MANAGER)
    throw badRequest(`fieldManager may have at most ${MAX_MANAGER} characters`);
  return {
    user,
    fieldManager,
    subresource,
    fieldValidation: validation,
    dryRun: isDryRun(query, undefined),
    warnings: [],
  };
}

function isDryRun(query: URLSearchParams, body: unknown): boolean {
  const inBody = isRecord(body) && Array.isArray(body.dryRun) ? (body.dryRun as unknown[]) : [];
  const wanted: readonly unknown[] = [...query.getAll('dryRun'), ...inBody];
  if (wanted.some((value) => value !== 'All' && value !== '')) throw badRequest('dryRun: write All');
  return wanted.includes('All');
}

function preconditions(body: unknown): {
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
} {
  const given: Json = isRecord(body) && isRecord(body.preconditions) ? body.preconditions : {};
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return { uid: text(given.uid), resourceVersion: text(given.resourceVersion) };
}
