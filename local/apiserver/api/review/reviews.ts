import type { Clock } from '#base/clock.ts';
import { isRecord } from '#base/record.ts';
import { rfc3339 } from '#base/times.ts';

import type { ObjectStore } from '../../store/object-store.ts';
import type { Json } from '../../store/object.ts';
import { API_AUDIENCE } from '../access/authenticator.ts';
import type { Authenticator } from '../access/authenticator.ts';
import type { Attributes, Authorizer } from '../access/authorizer.ts';
import type { Tokens } from '../access/tokens.ts';
import type { User } from '../access/user.ts';
import { ApiStatusError, badRequest } from '../api-status-error.ts';
import type { ResourceRequest } from '../request.ts';

export interface ReviewsDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly tokens: Tokens;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** `iss` of the tokens. */
  readonly issuer: string;
}

const TOKEN_VERSION = 'authentication.k8s.io/v1';
const DEFAULT_SECONDS = 3_600;
const SHORTEST_SECONDS = 600;
const LONGEST_SECONDS = 24 * 3_600;

/** A TokenRequest that was granted. */
export interface TokenAnswer {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: object;
  readonly spec: object;
  readonly status: { readonly token: string; readonly expirationTimestamp: string };
}

/** Questions that are answered and not kept. */
export class Reviews {
  readonly #deps: ReviewsDeps;

  constructor(deps: ReviewsDeps) {
    this.#deps = deps;
  }

  /** @throws ApiStatusError 400 for a question that cannot be read */
  review({ kind, user, body }: ResourceRequest): object {
    const asked = isRecord(body) ? body : {};
    const spec = isRecord(asked.spec) ? asked.spec : {};
    const status = this.#status(kind.kind, spec, user);
    return { kind: kind.kind, apiVersion: `${kind.group}/${kind.version}`, metadata: {}, spec, status };
  }

  /** `POST .../serviceaccounts/NAME/token`. @throws ApiStatusError */
  token({
    namespace = '',
    name = '',
    body,
  }: Pick<ResourceRequest, 'namespace' | 'name' | 'body'>): TokenAnswer {
    const { store, clock, tokens, issuer } = this.#deps;
    const account = store.get('/serviceaccounts', `${namespace}/${name}`);
    if (!account)
      throw new ApiStatusError(404, 'NotFound', `serviceaccounts "${name}" not found`, {
        name,
        kind: 'serviceaccounts',
      });
    const given = isRecord(body) ? body.apiVersion : undefined;
    if (given !== undefined && given !== TOKEN_VERSION)
      throw badRequest(
        `TokenRequest in version ${JSON.stringify(given)} cannot be handled as a TokenRequest`,
      );
    const spec = isRecord(body) && isRecord(body.spec) ? body.spec : {};
    const seconds =
      typeof spec.expirationSeconds === 'number' ? Math.floor(spec.expirationSeconds) : DEFAULT_SECONDS;
    if (!(seconds >= SHORTEST_SECONDS))
      throw badRequest(`spec.expirationSeconds: may not specify a duration less than 10 minutes`);
    const audiences = strings(spec.audiences);
    const iat = Math.floor(clock.now() / 1000);
    const exp = iat + Math.min(seconds, LONGEST_SECONDS);
    const pod = this.#boundPod(namespace, name, spec.boundObjectRef);
    const token = tokens.sign({
      iss: issuer,
      sub: `system:serviceaccount:${namespace}:${name}`,
      aud: audiences.length > 0 ? audiences : [API_AUDIENCE],
      exp,
      iat,
      'kubernetes.io': {
        namespace,
        serviceaccount: { name, uid: account.metadata.uid ?? '' },
        ...(pod ? { pod } : {}),
      },
    });
    const expirationTimestamp = rfc3339(exp * 1000);
    const metadata = { name, namespace };
    return {
      kind: 'TokenRequest',
      apiVersion: TOKEN_VERSION,
      metadata,
      spec,
      status: { token, expirationTimestamp },
    };
  }

  #boundPod(
    namespace: string,
    account: string,
    reference: unknown,
  ): { readonly name: string; readonly uid: string } | undefined {
    if (!isRecord(reference)) return undefined;
    const { kind, name, uid } = reference;
    if (kind !== 'Pod' || typeof name !== 'string')
      throw badRequest('spec.boundObjectRef: only a Pod can be bound to here');
    const pod = this.#deps.store.get('/pods', `${namespace}/${name}`);
    if (!pod) throw new ApiStatusError(404, 'NotFound', `pods "${name}" not found`, { name, kind: 'pods' });
    const is = pod.metadata.uid ?? '';
    if (typeof uid === 'string' && uid !== '' && uid !== is)
      throw new ApiStatusError(
        409,
        'Conflict',
        `the UID in the bound object reference (${uid}) does not match the UID in record`,
        { name, kind: 'pods' },
      );
    const runsAs = isRecord(pod.spec) ? pod.spec.serviceAccountName : undefined;
    if (runsAs !== account)
      throw badRequest(
        `cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name.`,
      );
    return { name, uid: is };
  }

  #status(kind: string, spec: Json, user: User): object {
    const { authorizer, authenticator } = this.#deps;
    switch (kind) {
      case 'TokenReview': {
        const wanted = strings(spec.audiences);
        const token = typeof spec.token === 'string' ? spec.token : '';
        const found = authenticator.user(token, wanted.length > 0 ? wanted : undefined);
        return found
          ? { authenticated: true, ...found }
          : { authenticated: false, error: 'the token is not known here, is over, or is for others' };
      }
      case 'SelfSubjectReview':
        return { userInfo: user };
      case 'SelfSubjectAccessReview':
        return { allowed: authorizer.allows(user, attributes(spec)) };
      default: {
        const username = typeof spec.user === 'string' ? spec.user : '';
        return { allowed: authorizer.allows({ username, groups: strings(spec.groups) }, attributes(spec)) };
      }
    }
  }
}

function attributes({ resourceAttributes, nonResourceAttributes }: Json): Attributes {
  const text = (value: unknown): string | undefined =>
    typeof value === 'string' && value !== '' ? value : undefined;
  if (isRecord(nonResourceAttributes))
    return { verb: text(nonResourceAttributes.verb) ?? '', path: text(nonResourceAttributes.path) ?? '' };
  if (!isRecord(resourceAttributes))
    throw badRequest('exactly one of spec.resourceAttributes and spec.nonResourceAttributes must be given');
  const { verb, group, resource, subresource, namespace, name } = resourceAttributes;
  const plural = text(resource) ?? '';
  return {
    verb: text(verb) ?? '',
    group: text(group) ?? '',
    resource: text(subresource) ? `${plural}/${text(subresource) ?? ''}` : plural,
    namespace: text(namespace),
    name: text(name),
  };
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
