import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';

import { secureContextOptions } from '#pki/tls-options.ts';

import { trustOf } from '../peer/admit.ts';
import type { HandshakeTrust } from '../peer/admit.ts';
import type { IdentitySource } from '../interfaces/identity-source.ts';

/** A TLS context, and what it was made of. */
export interface Current {
  /** Of the identity; see {@link IdentitySource}. */
  readonly version: number;
  readonly trust: HandshakeTrust;
  readonly context: SecureContext;
}

/** The TLS context of outgoing connections: made once per version of the identity, since making one costs as much as a handshake. */
export class ClientContext {
  readonly #identity: IdentitySource;
  #made: Current | undefined;

  constructor(identity: IdentitySource) {
    this.#identity = identity;
  }

  /** @returns undefined while there is no identity */
  current(): Current | undefined {
    const snapshot = this.#identity.current();
    if (!snapshot) return undefined;
    if (this.#made?.version !== snapshot.version) {
      const context = createSecureContext(secureContextOptions(snapshot.svid, snapshot.bundle));
      this.#made = { version: snapshot.version, context, trust: trustOf(snapshot) };
    }
    return this.#made;
  }
}
