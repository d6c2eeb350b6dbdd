import type { User } from './access/user.ts';
import { badRequest, noSuchPath } from './api-status-error.ts';
import type { ResourceKind } from './kind.ts';
import type { Kinds } from './kinds.ts';

/** A request about a resource. */
export interface ResourceRequest {
  readonly method: string;
  readonly kind: ResourceKind;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly accept: string;
  readonly userAgent: string;
  readonly user: User;
  /** Undefined when there is none. */
  readonly body: unknown;
}

/** What a path is about. */
export type Address = Pick<ResourceRequest, 'kind' | 'namespace' | 'name' | 'subresource'>;

/** What comes after the root: group, version, and the rest. */
const ROOTS = new Map<string, (rest: readonly string[]) => readonly string[]>([
  ['api', (rest) => ['', ...rest]],
  ['apis', (rest) => rest],
]);
const SUBRESOURCES = new Set(['status', 'token']);

/**
 * Reads `/api/v1/namespaces/shop/pods/web-1/status` and the like.
 *
 * @returns undefined for a path that has not this form
 * @throws ApiStatusError 404 for a resource that is not known, 400 for a name that is none
 */
export function readAddress(path: string, kinds: Kinds): Address | undefined {
  const [root = '', ...rest] = path.split('/').slice(1).map(decoded);
  const [group, version, ...parts] = ROOTS.get(root)?.(rest) ?? [];
  if (group === undefined || version === undefined || parts.length === 0 || parts.length > 5)
    return undefined;
  const { namespace, inside } = splitNamespace(parts);
  const [plural = '', name, subresource, more] = inside;
  const kind = kinds.find(group, version, plural);
  const address = kind && { kind, namespace, name, subresource };
  if (!address || more !== undefined || !isPossible(address)) throw noSuchPath();
  return address;
}

/** `namespaces/shop/pods/a` is about a pod, `namespaces/shop/status` about the namespace. */
function splitNamespace(parts: readonly string[]): {
  namespace: string | undefined;
  inside: readonly string[];
} {
  const [first, namespace, next = ''] = parts;
  const within = first === 'namespaces' && parts.length >= 3 && !SUBRESOURCES.has(next);
  return within ? { namespace, inside: parts.slice(2) } : { namespace: undefined, inside: parts };
}

function isPossible({ kind, namespace, name, subresource }: Address): boolean {
  if (name === '' || namespace === '') return false;
  if (subresource !== undefined && !offers(kind, subresource)) return false;
  return kind.namespaced ? name === undefined || namespace !== undefined : namespace === undefined;
}

function offers(kind: ResourceKind, subresource: string): boolean {
  if (subresource === 'status') return kind.hasStatus;
  return subresource === 'token' && kind.plural === 'serviceaccounts';
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest('the path cannot be read');
  }
}

/** Whole number of a query parameter, or undefined. */
export function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`${name}: write a whole number, 0 or more`);
  return Number(text);
}

/** Yes or no in a query, as Kubernetes reads it: left out, `false` and `0` are no, and everything else is yes, nothing at all too. */
export function isAsked(query: URLSearchParams, name: string): boolean {
  return !['false', '0', undefined].includes(query.get(name)?.toLowerCase());
}
