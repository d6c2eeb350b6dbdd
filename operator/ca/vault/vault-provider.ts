import * as z from 'zod';

import type { VaultSettings } from '#core/model/ca-providers.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { retryUntil } from '#base/retry-until.ts';
import { isApiAway } from '#kube/errors.ts';
import { certificatesPem, readCertificates } from '#pki/pem.ts';
import { leafCommonName } from '#pki/profile.ts';

import type { Credentials } from '../credentials.ts';
import { UnreachableError } from '../https-client.ts';
import { CaStateError } from '../provider.ts';
import type { CaProvider, CaRoot, CertificateRequest, SignedCertificate } from '../provider.ts';
import { isSelfSigned } from '../self-signed.ts';
import { VaultClient, VaultError, vaultPath } from './vault-client.ts';
import { readIssuer, readSigned } from './vault-issuer.ts';
import type { VaultIssuer } from './vault-issuer.ts';
import { SERVING_ROLE, WORKLOAD_ROLE } from './vault-roles.ts';
import { VaultSession } from './vault-session.ts';
import { VaultSetup } from './vault-setup.ts';

export interface VaultProviderDeps {
  readonly settings: VaultSettings;
  readonly credentials: Credentials;
  readonly readServiceAccountToken: () => Promise<string>;
  readonly trustDomain: TrustDomain;
  /** Host names of the operator's Service: the only ones that Vault is told to sign for it. */
  readonly servingNames: readonly string[];
  /** Roots that workloads already trust (MeshConfig `status.roots`). */
  readonly publishedRoots: () => Promise<number>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
}

const crossSignedSchema = z.object({ certificate: z.string().max(65_536) });
const capabilitiesSchema = z.record(z.string(), z.unknown());

/** How often the intermediate's age is looked at. */
const LOOK_EVERY_MS = 3600_000;
/** A new intermediate is made when this part of the life of the old one is over. */
const RENEW_AT = 2 / 3;
/** People are told when this part of its life is left. */
const WARN_AT = 1 / 6;

/**
 * HashiCorp Vault, or OpenBao, as the authority: its PKI engine holds the keys of root and intermediate, and signs each leaf from
 * the workload's own request. Names, usage and lifetime are parameters of ours; the roles keep Vault from signing anything else.
 */
export class VaultProvider implements CaProvider {
  readonly name = 'vault';
  /** Only of a root whose mount we may ask. */
  readonly crossSign?: (newRootPem: string, signal?: AbortSignal) => Promise<string>;
  readonly #deps: VaultProviderDeps;
  readonly #client: VaultClient;
  readonly #session: VaultSession;
  readonly #setup: VaultSetup;
  #issuer: VaultIssuer | undefined;
  #root: string | undefined;
  #timer: Timer | undefined;
  #stopped = false;
  /** Ends a start that is under way. */
  readonly #ending = new AbortController();

  constructor(deps: VaultProviderDeps) {
    this.#deps = deps;
    const { settings, clock } = deps;
    this.#client = new VaultClient(settings, clock);
    this.#session = new VaultSession({ ...deps, client: this.#client });
    this.#setup = new VaultSetup({ ...deps, session: this.#session });
    if (settings.rootPath !== undefined) {
      const rootPath = settings.rootPath;
      this.crossSign = (newRootPem, signal) => this.#crossSign(rootPath, newRootPem, signal);
    }
  }

  /** Logs in and sets up what is missing. Waits for a Vault that is away or sealed. */
  async start(given?: AbortSignal): Promise<void> {
    const signal = given ? AbortSignal.any([given, this.#ending.signal]) : this.#ending.signal;
    await retryUntil(() => this.#begin(signal), 'the certificate authority waits for Vault', {
      ...this.#deps,
      signal,
      isTransient,
    }).catch((error: unknown) => {
      throw error instanceof VaultError
        ? new CaStateError(`the mesh's certificate authority cannot start: ${error.message}`)
        : error;
    });
    this.#lookLater();
  }

  /** Logs in, and looks what the token may do where leaves are signed. */
  async check(signal: AbortSignal): Promise<void> {
    const unwell = await this.#client.healthFault(signal);
    if (unwell) throw new UnreachableError(unwell);
    await this.#session.start(signal);
  }

  roots(): Promise<readonly CaRoot[]> {
    if (this.#root === undefined)
      return Promise.reject(new Error('the certificate authority is used before start()'));
    return Promise.resolve([{ pem: this.#root, active: true }]);
  }

  async sign(request: CertificateRequest, signal?: AbortSignal): Promise<SignedCertificate> {
    const { clock, settings } = this.#deps;
    if (!this.#issuer || this.#stopped)
      throw new Error('the certificate authority is used before start() or after stop()');
    const lifeMs = Math.min(request.ttlMs, this.#issuer.notAfter - clock.now());
    if (lifeMs <= 0)
      throw new Error('the intermediate certificate in Vault has ended; nothing can be signed by it');
    const role = request.kind === 'workload' ? WORKLOAD_ROLE : SERVING_ROLE;
    const data = await this.#session.ask({
      method: 'POST',
      path: vaultPath(settings.intermediatePath, 'sign', role),
      body: {
        csr: request.csrPem,
        ...namesOf(request),
        exclude_cn_from_sans: true,
        ttl: `${Math.floor(lifeMs / 1000)}s`,
        format: 'pem',
      },
      signal,
    });
    return readSigned(data);
  }

  /** Asks Vault whether it works, looks at the token and at what it may, and at the age of the intermediate. */
  async fault(): Promise<string | undefined> {
    if (this.#stopped || !this.#issuer) return 'the certificate authority is not ready yet';
    try {
      return (
        (await this.#client.healthFault()) ??
        this.#session.fault() ??
        (await this.#rightsFault()) ??
        (await this.#issuerFault()) ??
        (await this.#setup.rootFault(this.#root))
      );
    } catch (error) {
      return (error as Error).message;
    }
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#ending.abort(new Error('the certificate authority was stopped'));
    this.#timer?.cancel();
    await this.#session.stop();
    this.#client.close();
  }

  async #begin(signal: AbortSignal | undefined): Promise<void> {
    const unwell = await this.#client.healthFault(signal);
    if (unwell) throw new UnreachableError(unwell);
    await this.#session.start(signal);
    this.#take(await this.#setup.run(signal));
  }

  #take(issuer: VaultIssuer): void {
    const { intermediatePath } = this.#deps.settings;
    if (!issuer.root) {
      throw new CaStateError(
        `the mesh's certificate authority cannot start: Vault does not know the root above the issuer at ${intermediatePath}; import the whole chain there, root included`,
      );
    }
    this.#issuer = issuer;
    this.#root ??= certificatesPem([issuer.root]);
  }

  async #rightsFault(): Promise<string | undefined> {
    const { intermediatePath } = this.#deps.settings;
    const paths = [WORKLOAD_ROLE, SERVING_ROLE].map((role) => `${intermediatePath}/sign/${role}`);
    const path = 'sys/capabilities-self';
    const answer = await this.#session.ask({ method: 'POST', path, body: { paths } });
    const capabilities = capabilitiesSchema.catch({}).parse(answer);
    const missing = paths.filter((each) => !mayUpdate(capabilities[each]));
    if (missing.length === 0) return undefined;
    return `Vault does not let the operator’s token update ${missing.join(' and ')}; give it the policy of the documentation`;
  }

  async #issuerFault(): Promise<string | undefined> {
    const { settings, clock } = this.#deps;
    const path = vaultPath(settings.intermediatePath, 'issuer/default/json');
    const issuer = readIssuer(await this.#session.ask({ method: 'GET', path }));
    if (!issuer.root || certificatesPem([issuer.root]) !== this.#root)
      return `the issuer at ${settings.intermediatePath} in Vault leads to another root than workloads trust: ask for a rotation (spec.ca.rotation.request), which takes it up, or put the old one back`;
    this.#issuer = issuer;
    const { certificate, notAfter } = issuer;
    const left = notAfter - clock.now();
    if (left <= 0) return 'the intermediate certificate in Vault has ended';
    const life = notAfter - Date.parse(certificate.validFrom);
    return left < life * WARN_AT
      ? `the intermediate certificate in Vault ends on ${new Date(notAfter).toISOString()} and was not replaced`
      : undefined;
  }

  #lookLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#deps.clock.setTimeout(() => void this.#renewIntermediate(), LOOK_EVERY_MS);
  }

  /** Where the intermediate is ours. Two replicas that both make one do no harm: each leaf brings along the one that signed it. */
  async #renewIntermediate(): Promise<void> {
    const { settings, log } = this.#deps;
    try {
      const replaced = await this.#setup.rootFault(this.#root);
      const fault = (await this.#issuerFault()) ?? replaced;
      // One under another root would be trusted by nobody, and the one that is there still signs.
      const mayRenew = settings.rootPath !== undefined && replaced === undefined;
      if (mayRenew && this.#isOld(this.#issuer)) this.#take(await this.#setup.makeIntermediate());
      else if (fault) log.warn({ fault }, 'the intermediate certificate needs an administrator');
    } catch (err) {
      log.warn({ err }, 'the intermediate certificate in Vault could not be renewed; it is tried again');
    }
    this.#lookLater();
  }

  #isOld(issuer: VaultIssuer | undefined): boolean {
    if (!issuer) return false;
    const begin = Date.parse(issuer.certificate.validFrom);
    return this.#deps.clock.now() > begin + (issuer.notAfter - begin) * RENEW_AT;
  }

  /**
   * `root/sign-self-issued` keeps name, key and lifetime of the new root: https://developer.hashicorp.com/vault/api-docs/secret/pki#sign-self-issued
   * That the old root ends before does no harm, since no path over it is valid then.
   */
  async #crossSign(rootPath: string, newRootPem: string, signal?: AbortSignal): Promise<string> {
    const [root, ...more] = readCertificates(newRootPem);
    if (!root || more.length > 0 || !root.ca || !isSelfSigned(root))
      throw new RangeError('what is to be cross-signed is no single self-signed root');
    const data = await this.#session.ask({
      method: 'POST',
      path: vaultPath(rootPath, 'root/sign-self-issued'),
      body: { certificate: certificatesPem([root]), require_matching_certificate_algorithms: false },
      signal,
    });
    const { certificate } = crossSignedSchema.parse(data);
    return certificatesPem(readCertificates(`${certificate.trim()}\n`));
  }
}

function namesOf(request: CertificateRequest): object {
  return request.kind === 'workload'
    ? { common_name: leafCommonName(request.who, request.trustDomain), uri_sans: request.spiffeId }
    : {
        common_name: request.dnsNames.find((name) => name.length <= 64),
        alt_names: request.dnsNames.join(','),
      };
}

function mayUpdate(capabilities: unknown): boolean {
  return Array.isArray(capabilities) && (capabilities.includes('update') || capabilities.includes('root'));
}

function isTransient(error: unknown): boolean {
  return (
    error instanceof UnreachableError || (error instanceof VaultError && error.transient) || isApiAway(error)
  );
}
