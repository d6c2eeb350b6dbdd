import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';

import { secureContextOptions } from '#pki/tls-options.ts';

import type { IdentitySnapshot, IdentitySource } from '../seams/identity-source.ts';

/** The TLS context of outgoing connections: made once per version of the identity, since making one costs as much as a handshake. */
export class ClientContext {
  readonly #identity: IdentitySource;
  #made: { readonly version: number; readonly context: SecureContext } | undefined;

  constructor(identity: IdentitySource) {
    this.#identity = identity;
  }

  /** @returns undefined while there is no identity */
  current(): { readonly snapshot: IdentitySnapshot; readonly context: SecureContext } | undefined {
    const snapshot = this.#identity.current();
    if (!snapshot) return undefined;
    if (this.#made?.version !== snapshot.version) {
      const context = createSecureContext(secureContextOptions(snapshot.svid, snapshot.bundle));
      this.#made = { version: snapshot.version, context };
    }
    return { snapshot, context: this.#made.context };
  }
}
