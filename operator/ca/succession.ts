import { sameAuthority } from '#core/model/ca-settings.ts';
import type { AuthorityChoice, CaSettings } from '#core/model/ca-settings.ts';
import type { RootStatus } from '#core/model/mesh-config.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isNotFound } from '#kube/errors.ts';
import { SECRETS } from '#kube/types.ts';
import type { Secret } from '#kube/types.ts';
import { caKeyType, generateAuthorityKeys, generateKeys, privateKeyPem, spkiDer } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { issueLeaf, issueRoot, readSigner } from '#pki/profile.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import { rootStatus } from './authority.ts';
import type { Authority } from './authority.ts';
import {
  CA_SECRET_NAME,
  NEXT_CA_SECRET_NAME,
  caSecretOf,
  holdsSameAuthority,
  rootIdOf,
  withAuthorityOf,
} from './builtin-state.ts';
import { checkNow } from './check-now.ts';
import { CaStateError } from './provider.ts';
import type { CaRoot } from './provider.ts';
import { settingsOf } from './root-slots.ts';
import type { RootSlots } from './root-slots.ts';
import { tryToSign } from './trial-signature.ts';

export interface SuccessionDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  /** The mesh's own namespace. */
  readonly namespace: string;
  readonly scope: IdentityScope;
  /** What takes a Secret with it when it is deleted. */
  readonly owner: OwnerReference | undefined;
  readonly slots: RootSlots;
  readonly authority: Pick<Authority, 'crossSign' | 'bundle' | 'lost' | 'choice'>;
}

/** A root that will sign, and the signature on it of the one that signs now. */
export interface NextRoot {
  readonly root: RootStatus;
  /** Empty where nobody signed it: then it may sign only when everybody has heard of it. */
  readonly crossSignedPem: string;
  /** Whether the old one signs nothing any more: then the new one is not kept waiting for long. */
  readonly oldIsLost: boolean;
}

/** How long an authority may take to get ready to sign. */
const READY_MS = 30_000;

/**
 * What happens to roots and keys when one takes another's place. When it happens is decided elsewhere. Every step may be done
 * again after a crash.
 */
export class RootSuccession {
  readonly #deps: SuccessionDeps;

  constructor(deps: SuccessionDeps) {
    this.#deps = deps;
  }

  /**
   * Makes the next root, or finds the one that is there, and has its authority sign a certificate to see that it does.
   *
   * @param choice whose root it is
   * @param wanted.repair the old root has ended, so a next one that has ended too is made again
   * @throws CaStateError when the one that is there has ended or is of another kind than wanted: it would be replaced again at once.
   *   Error when its authority cannot be reached or does not sign
   */
  async prepare(
    choice: AuthorityChoice,
    wanted: Pick<CaSettings, 'keyType'> & { readonly repair?: boolean },
  ): Promise<CaRoot> {
    settingsOf(choice);
    const { slots, scope, namespace, clock } = this.#deps;
    const provider = slots.next(choice, true);
    try {
      // A builtin one is made where there is none.
      if (choice.provider !== 'builtin') await checkNow(provider);
      const limit = AbortSignal.timeout(READY_MS);
      await provider.start(limit);
      const found = (await provider.roots()).find(({ active }) => active);
      if (!found) throw new Error('the next root has no certificate');
      if (this.#hasEnded(found)) {
        if (!wanted.repair || choice.provider !== 'builtin')
          throw new CaStateError(this.#endedText(found, choice));
        await this.#remove(NEXT_CA_SECRET_NAME);
        return await this.prepare(choice, wanted);
      }
      this.#checkKind(found, wanted);
      await tryToSign(provider, found, { scope, namespace, now: clock.now() }, limit);
      return found;
    } finally {
      await provider.stop();
    }
  }

  #hasEnded({ pem }: CaRoot): boolean {
    return Date.parse(rootStatus(pem).notAfter) <= this.#deps.clock.now();
  }

  #endedText({ pem }: CaRoot, { provider }: AuthorityChoice): string {
    const where =
      provider === 'builtin' ? `in Secret ${this.#deps.namespace}/${NEXT_CA_SECRET_NAME}` : `of ${provider}`;
    const remedy =
      provider === 'builtin' ? 'delete that Secret, or put another root into it' : 'make another one there';
    return `the root ${where} ended on ${rootStatus(pem).notAfter}: ${remedy}`;
  }

  #checkKind({ pem, replaceable }: CaRoot, wanted: Pick<CaSettings, 'keyType'>): void {
    const { namespace } = this.#deps;
    const [certificate] = readCertificates(pem);
    const keyType = certificate && caKeyType(certificate.publicKey);
    if (!replaceable || keyType === wanted.keyType) return;
    throw new CaStateError(
      `Secret ${namespace}/${NEXT_CA_SECRET_NAME} holds a root of kind ${keyType ?? 'unknown'}, and spec.ca.keyType wants ${wanted.keyType}: ` +
        'change one of them',
    );
  }

  /**
   * Has the root that signs now sign the next one, where it can.
   *
   * @param choice whose root the next one is. Whoever leaves an authority does not need its help: it may be gone for good
   * @throws Error when it could, but not now
   */
  async endorse({ pem }: CaRoot, choice: AuthorityChoice, signal?: AbortSignal): Promise<NextRoot> {
    const { authority } = this.#deps;
    const root = { ...rootStatus(pem), active: false };
    if (authority.lost !== undefined) return { root, crossSignedPem: '', oldIsLost: true };
    try {
      return { root, crossSignedPem: (await authority.crossSign(pem, signal)) ?? '', oldIsLost: false };
    } catch (error) {
      if (sameAuthority(choice, authority.choice)) throw error;
      return { root, crossSignedPem: '', oldIsLost: true };
    }
  }

  /**
   * Asks the next authority whether it would sign, and does in memory what a rotation would do. Changes nothing.
   *
   * @returns what was seen
   * @throws Error that says what would go wrong
   */
  async rehearse(settings: CaSettings): Promise<string> {
    settingsOf(settings.authority);
    const provider = this.#deps.slots.next(settings.authority, false);
    try {
      await provider.check(AbortSignal.timeout(READY_MS));
    } finally {
      await provider.stop();
    }
    const { keyType } = settings;
    const crossSigned = await this.#rehearseRoot(settings);
    const heard = crossSigned
      ? `a new ${keyType} root was made in memory and cross-signed, and a certificate of it is trusted by the old bundle and by the new one`
      : 'the root that signs now does not sign another one, so the new one will sign when sidecars have had time to hear of it';
    const there =
      settings.authority.provider === 'builtin'
        ? ''
        : `${settings.authority.provider} is there and lets us in; `;
    return `${there}${heard}; nothing was changed`;
  }

  /** @returns whether the root that signs now signs the other one */
  async #rehearseRoot(settings: CaSettings): Promise<boolean> {
    const { clock, scope, authority, namespace } = this.#deps;
    const now = clock.now();
    const keys = await generateAuthorityKeys(settings.keyType);
    const rootPem = await issueRoot(keys, scope.trustDomain, now, settings.rootTtlMs);
    const next = { pem: rootPem, active: false };
    const { crossSignedPem } = await this.endorse(next, settings.authority);
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
    const isEndorsed = crossSignedPem !== '';
    const intermediates = readCertificates(crossSignedPem);
    const fault =
      (isEndorsed ? authority.bundle.fault(leaf!, scope.trustDomain, { now, intermediates }) : undefined) ??
      TrustBundle.of(scope.trustDomain, rootPem).fault(leaf!, scope.trustDomain, { now });
    if (fault) throw new Error(fault);
    return isEndorsed;
  }

  /**
   * Puts the next root in the place of the one in use, whose key is then gone for good, as far as it is in a Secret of ours.
   *
   * @param rootId of the next root
   * @throws CaStateError when no Secret has it: then the key of the old one is not touched
   */
  async promote(rootId: string, choice: AuthorityChoice): Promise<void> {
    const { api, namespace, owner } = this.#deps;
    const current = await this.#secret(CA_SECRET_NAME);
    if (choice.provider !== 'builtin') {
      if (current) await this.#remove(CA_SECRET_NAME);
      return;
    }
    const next = await this.#secret(NEXT_CA_SECRET_NAME);
    if (next && rootIdOf(next) === rootId) {
      if (!current) await api.create(SECRETS, caSecretOf(namespace, next, owner, CA_SECRET_NAME));
      else if (!holdsSameAuthority(current, next)) await api.update(SECRETS, withAuthorityOf(current, next));
    } else if (!current || rootIdOf(current) !== rootId) {
      throw new CaStateError(
        `neither Secret ${namespace}/${CA_SECRET_NAME} nor ${namespace}/${NEXT_CA_SECRET_NAME} holds root ${rootId.slice(0, 12)}, which signs: ` +
          `restore ${NEXT_CA_SECRET_NAME} from a backup, or abort the rotation`,
      );
    }
    if (next) await this.#remove(NEXT_CA_SECRET_NAME);
  }

  /** Takes the next root away, where it is in a Secret of ours. */
  async discard(choice: AuthorityChoice): Promise<void> {
    if (choice.provider === 'builtin' && (await this.#secret(NEXT_CA_SECRET_NAME)))
      await this.#remove(NEXT_CA_SECRET_NAME);
  }

  async #secret(name: string): Promise<Secret | undefined> {
    const { api, namespace } = this.#deps;
    try {
      return await api.get(SECRETS, { name, namespace });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #remove(name: string): Promise<void> {
    const { api, namespace } = this.#deps;
    try {
      await api.delete(SECRETS, { name, namespace });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
