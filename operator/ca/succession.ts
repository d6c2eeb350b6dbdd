import type { CaSettings } from '#core/model/ca-settings.ts';
import type { RootStatus } from '#core/model/mesh-config.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#kube/clock.ts';
import { isNotFound } from '#kube/errors.ts';
import { SECRETS } from '#kube/types.ts';
import type { Secret } from '#kube/types.ts';
import { caKeyType, generateAuthorityKeys, generateKeys, privateKeyPem, spkiDer } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { issueLeaf, issueRoot, readSigner } from '#pki/profile.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import { rootStatus } from './authority.ts';
import type { Authority, RootSlots } from './authority.ts';
import { CA_SECRET_NAME, NEXT_CA_SECRET_NAME, holdsSameRoot, rootIdOf, withRootOf } from './builtin-state.ts';
import { CaStateError } from './provider.ts';

export interface SuccessionParts {
  readonly api: KubeApi;
  readonly clock: Clock;
  /** The mesh's own namespace. */
  readonly namespace: string;
  readonly scope: IdentityScope;
  readonly slots: RootSlots;
  readonly authority: Pick<Authority, 'crossSign' | 'bundle'>;
}

/** A root that will sign, and the signature on it of the one that signs now. */
export interface NextRoot {
  readonly root: RootStatus;
  readonly crossSignedPem: string;
}

/**
 * What happens to roots and keys when one takes another's place. When it happens is decided elsewhere. Every step may be done
 * again after a crash.
 */
export class RootSuccession {
  readonly #parts: SuccessionParts;

  constructor(parts: SuccessionParts) {
    this.#parts = parts;
  }

  /**
   * Makes the next root, or finds the one that was made, and has the old one sign it.
   *
   * @throws CaStateError when the one that is there is of another kind than wanted: it would be replaced again at once
   */
  async prepare(wanted: Pick<CaSettings, 'keyType'>, signal?: AbortSignal): Promise<NextRoot> {
    const { slots, authority, namespace } = this.#parts;
    const provider = slots.next(true);
    try {
      await provider.start(signal);
      const [found] = await provider.roots();
      if (!found) throw new Error('the next root has no certificate');
      const [certificate] = readCertificates(found.pem);
      const keyType = certificate && caKeyType(certificate.publicKey);
      if (keyType !== wanted.keyType)
        throw new CaStateError(
          `Secret ${namespace}/${NEXT_CA_SECRET_NAME} holds a root of kind ${keyType ?? 'unknown'}, and spec.ca.keyType wants ${wanted.keyType}: ` +
            'change one of them',
        );
      return {
        root: { ...rootStatus(found.pem), active: false },
        crossSignedPem: await authority.crossSign(found.pem, signal),
      };
    } finally {
      await provider.stop();
    }
  }

  /**
   * Does in memory what a rotation would do, and looks whether everybody would believe everybody.
   *
   * @throws Error that says what would go wrong
   */
  async rehearse(settings: CaSettings): Promise<void> {
    const { clock, scope, authority, namespace } = this.#parts;
    const now = clock.now();
    const keys = await generateAuthorityKeys(settings.keyType);
    const rootPem = await issueRoot(keys, scope.trustDomain, now, settings.rootTtlMs);
    const crossSigned = readCertificates(await authority.crossSign(rootPem));
    const who = { namespace: namespaceName(namespace), service: serviceName('rehearsal') };
    const leafPem = await issueLeaf(await readSigner(rootPem, privateKeyPem(keys.privateKey)), {
      now,
      ttlMs: 60_000,
      spki: spkiDer((await generateKeys()).publicKey),
      spiffeId: serviceSpiffeId(scope, who),
      who,
      trustDomain: scope.trustDomain,
    });
    const [leaf] = readCertificates(leafPem);
    const next = TrustBundle.of(scope.trustDomain, rootPem);
    const fault =
      authority.bundle.fault(leaf!, scope.trustDomain, { now, intermediates: crossSigned }) ??
      next.fault(leaf!, scope.trustDomain, { now });
    if (fault) throw new Error(fault);
  }

  /**
   * Puts the next root in the place of the one in use, whose key is then gone for good.
   *
   * @param rootId of the next root
   * @throws CaStateError when no Secret has it: then the key of the old one is not touched
   */
  async promote(rootId: string): Promise<void> {
    const { api, namespace } = this.#parts;
    const current = await api.get(SECRETS, { name: CA_SECRET_NAME, namespace });
    const next = await this.#next();
    if (next && rootIdOf(next) === rootId) {
      if (!holdsSameRoot(current, next)) await api.update(SECRETS, withRootOf(current, next));
    } else if (rootIdOf(current) !== rootId) {
      throw new CaStateError(
        `neither Secret ${namespace}/${CA_SECRET_NAME} nor ${namespace}/${NEXT_CA_SECRET_NAME} holds root ${rootId.slice(0, 12)}, which signs: ` +
          `restore ${NEXT_CA_SECRET_NAME} from a backup, or abort the rotation`,
      );
    }
    if (next) await this.#remove();
  }

  /** Takes the next root away. */
  async discard(): Promise<void> {
    if (await this.#next()) await this.#remove();
  }

  async #next(): Promise<Secret | undefined> {
    const { api, namespace } = this.#parts;
    try {
      return await api.get(SECRETS, { name: NEXT_CA_SECRET_NAME, namespace });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #remove(): Promise<void> {
    const { api, namespace } = this.#parts;
    try {
      await api.delete(SECRETS, { name: NEXT_CA_SECRET_NAME, namespace });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
