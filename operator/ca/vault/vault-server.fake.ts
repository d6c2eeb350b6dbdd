import type { VaultSettings } from '#core/model/ca-providers.ts';
import { systemClock } from '#base/clock.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { programPath, VAULT } from '../go-programs.fake.ts';
import { ServerProcess } from '../server-process.fake.ts';
import { HttpsClient } from '../https-client.ts';
import { FakeTokenReviews } from './token-reviews.fake.ts';
import { VaultClient } from './vault-client.ts';
import type { VaultRequest } from './vault-client.ts';

/** What tests read of Vault's answers. */
export interface AdminAnswer {
  readonly keys: readonly string[];
  readonly allowed_uri_sans: readonly string[];
  readonly certificate: string;
  readonly csr: string;
  readonly client_token: string;
  readonly issuer_id: string;
  readonly role_id: string;
  readonly secret_id: string;
  readonly path: string;
}

/** A real Vault on loopback: its storage is in memory, its TLS certificate of an authority of its own. */
export class VaultServer {
  readonly caPem: string;
  readonly address: string;
  rootToken = '';
  readonly #process: ServerProcess;
  readonly #client: VaultClient;
  #unsealKey = '';

  private constructor(process: ServerProcess, address: string, caPem: string) {
    this.#process = process;
    this.address = address;
    this.caPem = caPem;
    this.#client = new VaultClient(this.settings(), systemClock);
  }

  /** Starts, initializes and unseals it. */
  static async start(): Promise<VaultServer> {
    const pki = await TestPki.create();
    const serving = await pki.serving(['vault.test']);
    const process = new ServerProcess();
    const certificate = process.file('tls.crt', serving.certChainPem);
    const key = process.file('tls.key', serving.keyPem);
    const args = [certificate, key, '127.0.0.1:0'];
    const [, address = ''] = await process.start(programPath(VAULT), args, /^(https:\S+)$/m);
    const server = new VaultServer(process, address, pki.rootPem);
    await server.#initialize();
    return server;
  }

  /** How a provider reaches it. */
  settings(bends: Partial<VaultSettings> = {}): VaultSettings {
    return {
      provider: 'vault',
      address: this.address,
      caCertificate: this.caPem,
      tlsServerName: 'vault.test',
      namespace: undefined,
      auth: 'token',
      authPath: 'token',
      role: 'mesh-operator',
      intermediatePath: 'mesh-intermediate',
      rootPath: 'mesh-root',
      intermediateTtlMs: 365 * 24 * 3600_000,
      ...bends,
    };
  }

  /** Asks as the administrator. */
  async admin(method: VaultRequest['method'], path: string, body?: object): Promise<AdminAnswer> {
    const { data, auth } = await this.#client.ask({
      method,
      path,
      token: this.rootToken,
      ...(body ? { body } : {}),
    });
    return (auth ?? data) as AdminAnswer;
  }

  /** Asks with some other token. */
  async asToken(token: string, method: VaultRequest['method'], path: string, body: object): Promise<unknown> {
    return (await this.#client.ask({ method, path, token, body })).data;
  }

  /** Where a token came from; undefined when it is gone. */
  async originOf(accessor: string): Promise<string | undefined> {
    const path = 'auth/token/lookup-accessor';
    const found = await this.admin('POST', path, { accessor }).catch(() => undefined);
    return found?.path;
  }

  async seal(): Promise<void> {
    await this.admin('POST', 'sys/seal', {});
  }

  async unseal(): Promise<void> {
    await this.#client.ask({ method: 'POST', path: 'sys/unseal', body: { key: this.#unsealKey } });
    for (let turn = 0; (await this.#client.healthFault()) !== undefined; turn += 1) {
      if (turn > 200) throw new Error('Vault does not get well');
      await systemClock.sleep(50);
    }
  }

  /** Writes a policy, and makes a token that has it and nothing else. */
  async tokenWith(policy: string, options: object = {}): Promise<string> {
    const name = `policy-${(this.#policies += 1)}`;
    await this.admin('POST', `sys/policies/acl/${name}`, { policy });
    const made = await this.admin('POST', 'auth/token/create', { policies: [name], ...options });
    return made.client_token;
  }
  #policies = 0;

  /** Lets somebody log in with AppRole, with these policies. */
  async appRole(policy: string, options: object = {}): Promise<{ roleId: string; secretId: string }> {
    await this.admin('POST', 'sys/auth/approle', { type: 'approle' });
    await this.admin('POST', 'sys/policies/acl/mesh-operator', { policy });
    const role = { token_policies: ['mesh-operator'], token_ttl: '1h', ...options };
    await this.admin('POST', 'auth/approle/role/mesh', role);
    const { role_id: roleId } = await this.admin('GET', 'auth/approle/role/mesh/role-id');
    const { secret_id: secretId } = await this.admin('POST', 'auth/approle/role/mesh/secret-id', {});
    return { roleId, secretId };
  }

  /**
   * Lets ServiceAccounts log in, with an API server that answers TokenReviews for the tokens it made.
   *
   * @param account the one that gets the policy
   */
  async withKubernetes(namespace: string, account: string, policy: string): Promise<FakeTokenReviews> {
    const kubernetes = await FakeTokenReviews.start();
    await this.admin('POST', 'sys/policies/acl/mesh-operator', { policy });
    await this.admin('POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
    await this.admin('POST', 'auth/kubernetes/config', {
      kubernetes_host: kubernetes.address,
      kubernetes_ca_cert: kubernetes.caPem,
      disable_local_ca_jwt: true,
    });
    await this.admin('POST', 'auth/kubernetes/role/mesh-operator', {
      audience: 'vault',
      bound_service_account_names: account,
      bound_service_account_namespaces: namespace,
      token_policies: ['mesh-operator'],
      token_ttl: '1h',
    });
    return kubernetes;
  }

  /** Mounts a PKI engine with an intermediate of a root that the mesh knows nothing of. */
  async foreignIntermediate(mount: string, { withRoot } = { withRoot: true }): Promise<void> {
    for (const path of ['company-root', mount]) {
      await this.admin('POST', `sys/mounts/${path}`, { type: 'pki', config: { max_lease_ttl: '87600h' } });
    }
    const ttl = '43800h';
    const root = await this.admin('POST', 'company-root/root/generate/internal', {
      common_name: 'Company Root',
      ttl: '87600h',
    });
    const { csr } = await this.admin('POST', `${mount}/intermediate/generate/internal`, {
      common_name: 'Company Mesh',
    });
    const body = { csr, common_name: 'Company Mesh', ttl };
    const signed = await this.admin('POST', 'company-root/root/sign-intermediate', body);
    await this.admin('POST', `${mount}/intermediate/set-signed`, {
      certificate: `${signed.certificate}\n${withRoot ? root.certificate : ''}`,
    });
  }

  /** Makes another root in a mount, which signs from then on. */
  async replaceRoot(mount: string): Promise<void> {
    const body = { common_name: 'Another Root', ttl: '87600h' };
    const { issuer_id: made } = await this.admin('POST', `${mount}/root/rotate/internal`, body);
    await this.admin('POST', `${mount}/config/issuers`, { default: made });
  }

  get output(): string {
    return this.#process.output;
  }

  async remove(): Promise<void> {
    this.#client.close();
    await this.#process.remove();
  }

  async #initialize(): Promise<void> {
    // Its answer is the only one that is not within "data".
    const https = new HttpsClient('Vault', this.settings(), systemClock);
    const body = { secret_shares: 1, secret_threshold: 1 };
    const answer = await https.ask({ method: 'POST', path: '/v1/sys/init', body });
    https.close();
    const { keys_base64: keys, root_token: token } = answer.body as {
      keys_base64: string[];
      root_token: string;
    };
    this.#unsealKey = keys[0] ?? '';
    this.rootToken = token;
    await this.unseal();
  }
}
