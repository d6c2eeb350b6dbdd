import * as z from 'zod';

import type { VaultSettings } from '#core/model/ca-providers.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { BACKDATE_MS, ROOT_LIFE_MS } from '#pki/profile.ts';
import { certificatesPem } from '#pki/pem.ts';
import { validity } from '#pki/svid.ts';

import { CaStateError } from '../provider.ts';
import { vaultPath, VaultError } from './vault-client.ts';
import { readIssuer } from './vault-issuer.ts';
import type { VaultIssuer } from './vault-issuer.ts';
import { isRole, SERVING_ROLE, servingRole, WORKLOAD_ROLE, workloadRole } from './vault-roles.ts';
import type { VaultSession } from './vault-session.ts';

export interface VaultSetupDeps {
  readonly session: Pick<VaultSession, 'ask'>;
  readonly settings: VaultSettings;
  readonly trustDomain: TrustDomain;
  /** Host names of the operator's Service. */
  readonly servingNames: readonly string[];
  /** Roots that workloads already trust: with any, no new root is made. */
  readonly publishedRoots: () => Promise<number>;
  readonly clock: Clock;
  readonly log: Logger;
}

const keysSchema = z.object({ keys: z.array(z.string().max(200)).max(1000) });
const csrSchema = z.object({ csr: z.string().max(65_536) });
const signedSchema = z.object({ certificate: z.string().max(65_536) });
const importedSchema = z.object({ mapping: z.record(z.string().max(200), z.string().max(200)) });

/** The name is what makes two replicas agree: Vault gives it to one issuer of a mount only. */
const ROOT_NAME = 'mesh-root';
const MOUNT_LIFE = `${ROOT_LIFE_MS / 3_600_000}h`;

/**
 * Makes in Vault what signing needs and is not there: mounts, root, intermediate, roles. What is there is used as it is, roles
 * excepted. Several replicas may do it at once: whoever comes second finds what the first one made.
 * https://developer.hashicorp.com/vault/api-docs/secret/pki
 */
export class VaultSetup {
  readonly #deps: VaultSetupDeps;

  constructor(deps: VaultSetupDeps) {
    this.#deps = deps;
  }

  /**
   * @returns the issuer that signs leaves
   * @throws CaStateError, VaultError, UnreachableError
   */
  async run(signal?: AbortSignal): Promise<VaultIssuer> {
    const { rootPath, intermediatePath } = this.#deps.settings;
    const root = rootPath === undefined ? undefined : await this.#ensureRoot(rootPath, signal);
    const found = await this.#issuer(intermediatePath, signal);
    // Under a root that was replaced since, the intermediate signs on as long as its root is trusted; who looks for a next root wants the new one.
    const isKept = found && (isUnder(found, root) || (await this.#deps.publishedRoots()) > 0);
    const issuer = isKept ? found : await this.#newIntermediate(signal);
    await this.#ensureRole(WORKLOAD_ROLE, workloadRole(this.#deps.trustDomain), signal);
    await this.#ensureRole(SERVING_ROLE, servingRole(this.#deps.servingNames), signal);
    return issuer;
  }

  /** The issuer that a mount signs with; undefined while it has none, or is not mounted. */
  async #issuer(mount: string, signal: AbortSignal | undefined): Promise<VaultIssuer | undefined> {
    const { session } = this.#deps;
    try {
      const listed = await session.ask({ method: 'LIST', path: vaultPath(mount, 'issuers'), signal });
      if (!keysSchema.parse(listed).keys.length) return undefined;
    } catch (error) {
      if (error instanceof VaultError && error.status === 404) return undefined;
      throw error;
    }
    const path = vaultPath(mount, 'issuer/default/json');
    return readIssuer(await session.ask({ method: 'GET', path, signal }));
  }

  /**
   * Why the mount of the root would not renew our intermediate; undefined where it would, or is not ours to ask.
   *
   * @param rootPem the root that workloads trust
   */
  async rootFault(rootPem: string | undefined, signal?: AbortSignal): Promise<string | undefined> {
    const { rootPath } = this.#deps.settings;
    const root = rootPath === undefined ? undefined : await this.#issuer(rootPath, signal);
    if (!root?.root || certificatesPem([root.root]) === rootPem) return undefined;
    return (
      `the root at ${rootPath} in Vault was replaced, and workloads do not trust the new one: ask for a rotation ` +
      '(spec.ca.rotation.request), which takes it up, or make the old one the default issuer again'
    );
  }

  /** @returns the root that its mount signs with */
  async #ensureRoot(mount: string, signal: AbortSignal | undefined): Promise<VaultIssuer | undefined> {
    const there = await this.#issuer(mount, signal);
    if (there) return there;
    if ((await this.#deps.publishedRoots()) > 0) {
      throw new CaStateError(
        `the mesh's certificate authority cannot start: Vault has no root at ${mount}, but workloads trust one already, and a new one ` +
          'would cut them off. Write the right rootPath, or restore Vault.',
      );
    }
    await this.#mount(mount, signal);
    const { session, trustDomain, log } = this.#deps;
    const path = vaultPath(mount, 'root/generate/internal');
    const body = {
      ...this.#names('root'),
      issuer_name: ROOT_NAME,
      ttl: MOUNT_LIFE,
      not_before_duration: BACKDATE_MS / 1000,
    };
    try {
      await session.ask({ method: 'POST', path, body, signal });
      log.info({ mount, trustDomain }, 'made a new root certificate in Vault');
    } catch (error) {
      // Another replica was faster: its root has the name now.
      const theirs = isRefused(error) ? await this.#issuer(mount, signal) : undefined;
      if (!theirs) throw error;
      return theirs;
    }
    return this.#issuer(mount, signal);
  }

  async #newIntermediate(signal: AbortSignal | undefined): Promise<VaultIssuer> {
    const { rootPath, intermediatePath } = this.#deps.settings;
    if (rootPath === undefined) {
      throw new CaStateError(
        `the mesh's certificate authority cannot start: Vault has no issuer at ${intermediatePath}. Import one there, or write the rootPath ` +
          'of the mount whose root must sign one.',
      );
    }
    await this.#mount(intermediatePath, signal);
    return this.makeIntermediate(signal);
  }

  /**
   * A new key in the intermediate's mount, certified by the root; new leaves are signed by it from now on. The old one stays in
   * Vault, and leaves that it signed bring it along.
   *
   * @throws VaultError, UnreachableError, CaStateError where there is no root mount
   */
  async makeIntermediate(signal?: AbortSignal): Promise<VaultIssuer> {
    const { session, settings, log } = this.#deps;
    const { rootPath, intermediatePath: mount, intermediateTtlMs } = settings;
    if (rootPath === undefined) throw new CaStateError('no rootPath is set, so no intermediate can be made');
    const root = await this.#issuer(rootPath, signal);
    if (!root) throw new CaStateError(`Vault has no root at ${rootPath}`);
    const post = async (path: string, body: object): Promise<unknown> =>
      session.ask({ method: 'POST', path, body, signal });

    const request = await post(
      vaultPath(mount, 'intermediate/generate/internal'),
      this.#names('intermediate'),
    );
    const { csr } = csrSchema.parse(request);
    const now = this.#deps.clock.now();
    const ttlMs = Math.min(intermediateTtlMs, root.notAfter - now);
    // Vault lets none begin before its root, which somebody may have made a moment ago.
    const backdateMs = Math.max(0, Math.min(BACKDATE_MS, now - validity(root.certificate).notBefore));
    const answer = await post(vaultPath(rootPath, 'root/sign-intermediate'), {
      csr,
      ...this.#names('intermediate'),
      max_path_length: 0,
      ttl: `${Math.floor(ttlMs / 1000)}s`,
      not_before_duration: Math.floor(backdateMs / 1000),
    });
    const { certificate } = signedSchema.parse(answer);
    // With the root beside it Vault can tell the whole chain.
    const chain = `${certificate.trim()}\n${certificatesPem([root.certificate])}`;
    const imported = await post(vaultPath(mount, 'intermediate/set-signed'), { certificate: chain });
    const { mapping } = importedSchema.parse(imported);
    const [issuer] = Object.entries(mapping).find(([, key]) => key !== '') ?? [];
    if (issuer === undefined) throw new Error('Vault has lost the key of the intermediate it just made');
    await post(vaultPath(mount, 'config/issuers'), { default: issuer });
    log.info({ mount, rootMount: rootPath }, 'made a new intermediate certificate in Vault');
    const made = await this.#issuer(mount, signal);
    if (!made) throw new Error(`Vault has no issuer at ${mount}, although one was just made`);
    return made;
  }

  #names(what: 'root' | 'intermediate'): object {
    const { trustDomain } = this.#deps;
    return {
      common_name: `mesh ${what} ${trustDomain}`.slice(0, 64),
      exclude_cn_from_sans: true,
      uri_sans: `spiffe://${trustDomain}`,
      key_type: 'ec',
      key_bits: 256,
      format: 'pem',
    };
  }

  /** Mounts a PKI engine; one that is mounted already stays as it is. */
  async #mount(path: string, signal: AbortSignal | undefined): Promise<void> {
    const { session } = this.#deps;
    const listed = session.ask({ method: 'LIST', path: vaultPath(path, 'issuers'), signal });
    const body = { type: 'pki', config: { max_lease_ttl: MOUNT_LIFE } };
    try {
      await listed;
      return;
    } catch (error) {
      if (!(error instanceof VaultError) || error.status !== 404) throw error;
    }
    try {
      await session.ask({ method: 'POST', path: vaultPath('sys/mounts', path), body, signal });
    } catch (error) {
      // "Path is already in use": empty, or mounted by another replica a moment ago. What does not work with it is told by what follows.
      if (!(error instanceof VaultError && error.status === 400)) throw error;
    }
  }

  async #ensureRole(
    name: string,
    wanted: ReturnType<typeof workloadRole>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { session, settings } = this.#deps;
    const path = vaultPath(settings.intermediatePath, 'roles', name);
    const found = await session.ask({ method: 'GET', path, signal }).catch((error: unknown) => {
      if (error instanceof VaultError && error.status === 404) return undefined;
      throw error;
    });
    if (!isRole(found, wanted)) await session.ask({ method: 'POST', path, body: wanted, signal });
  }
}

/** Whether an intermediate leads to the root that its own mount would sign it with now. */
function isUnder({ root }: VaultIssuer, mount: VaultIssuer | undefined): boolean {
  return !root || !mount?.root || root.raw.equals(mount.root.raw);
}

function isRefused(error: unknown): boolean {
  return error instanceof VaultError && error.status >= 400 && error.status < 500;
}
