import { createHash, timingSafeEqual } from 'node:crypto';

import type { Clock } from '#base/clock.ts';

import type { ObjectStore } from '../../store/object-store.ts';
import type { Claims, Tokens } from './tokens.ts';
import { AUTHENTICATED, MASTERS } from './user.ts';
import type { User } from './user.ts';

/** The audience of tokens for this server, as Kubernetes names it by default. */
export const API_AUDIENCE = 'https://kubernetes.default.svc';

export interface AuthenticatorDeps {
  readonly store: ObjectStore;
  readonly tokens: Tokens;
  readonly clock: Clock;
  /** The token of whoever runs the server; it may do everything. */
  readonly adminToken: string;
}

/** Whose token is it? Tokens end with the ServiceAccount and the pod they are bound to. */
export class Authenticator {
  readonly #deps: AuthenticatorDeps;
  readonly #admin: Buffer;

  constructor(deps: AuthenticatorDeps) {
    this.#deps = deps;
    this.#admin = digest(deps.adminToken);
  }

  /**
   * @param audiences one of which the token must be for
   * @returns undefined when it is nobody's
   */
  user(
    token: string,
    audiences: readonly string[] = [API_AUDIENCE],
  ): { readonly user: User; readonly audiences: readonly string[] } | undefined {
    if (timingSafeEqual(digest(token), this.#admin)) {
      const forUs = audiences.filter((audience) => audience === API_AUDIENCE);
      const user = { username: 'mesh-dev-admin', groups: [MASTERS, AUTHENTICATED] };
      return forUs.length > 0 ? { user, audiences: forUs } : undefined;
    }
    const claims = this.#deps.tokens.read(token, this.#deps.clock.now());
    const common = claims?.aud.filter((audience) => audiences.includes(audience)) ?? [];
    if (!claims || common.length === 0 || !this.#isAlive(claims)) return undefined;
    return { user: serviceAccountUser(claims), audiences: common };
  }

  /** The very objects the token was made for must be there, not others of the same name. */
  #isAlive({ 'kubernetes.io': { namespace, serviceaccount, pod } }: Claims): boolean {
    const { store } = this.#deps;
    const same = (
      resource: string,
      { name, uid }: { readonly name: string; readonly uid: string },
    ): boolean => store.get(resource, `${namespace}/${name}`)?.metadata.uid === uid;
    return same('/serviceaccounts', serviceaccount) && (!pod || same('/pods', pod));
  }
}

function serviceAccountUser({ 'kubernetes.io': { namespace, serviceaccount, pod }, jti }: Claims): User {
  return {
    username: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
    uid: serviceaccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, AUTHENTICATED],
    extra: {
      'authentication.kubernetes.io/credential-id': [`JTI=${jti}`],
      ...(pod
        ? {
            'authentication.kubernetes.io/pod-name': [pod.name],
            'authentication.kubernetes.io/pod-uid': [pod.uid],
          }
        : {}),
    },
  };
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
