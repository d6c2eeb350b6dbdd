import type { BundleEndpoint as Endpoint, FederationStatus } from '#core/model/federation.ts';
import type { MeshConfig } from '#core/model/mesh-config.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { Policy } from '#core/policy/policy.ts';
import { toRule } from '#core/policy/rule.ts';
import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { ownBundle } from '#operator/federation/own-bundle.ts';
import { createMetrics } from '#operator/metrics/metrics.ts';
import { BUNDLE_PATH, BundleEndpoint } from '#operator/federation/bundle-endpoint.ts';
import { sha256Hex } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import type { TestPki } from '#pki/testing/test-pki.fake.ts';
import { DB, FakeMesh } from '#sidecar/testing/data-plane.fake.ts';
import { readTrust } from '#sidecar/sources/trust/trust-state.ts';

const OPERATOR = { namespace: 'mesh', service: 'mesh-operator' };

/** The service shop/db behind a sidecar that does as a MeshConfig and rules say, and the bundle endpoint of its mesh. */
export class MeshedService {
  readonly mesh: FakeMesh;
  /** Where others fetch the bundle of this mesh, and who is there. */
  readonly bundleUrl: string;
  readonly bundleServer: string;
  readonly #endpoint: BundleEndpoint;
  readonly #published: { config: MeshConfig };

  private constructor(mesh: FakeMesh, endpoint: BundleEndpoint, published: { config: MeshConfig }) {
    this.mesh = mesh;
    this.#endpoint = endpoint;
    this.#published = published;
    this.bundleUrl = `https://localhost:${endpoint.port}${BUNDLE_PATH}`;
    this.bundleServer = mesh.pki.spiffeId(OPERATOR);
  }

  static async start(): Promise<MeshedService> {
    const mesh = await FakeMesh.start({ settings: { headerMs: 300 } });
    const published = { config: configOf([mesh.pki], undefined) };
    const endpoint = await BundleEndpoint.start(
      {
        ...{ port: 0, clock: systemClock, log: new FakeLog(), metrics: createMetrics().metrics },
        issue: () => mesh.pki.svid(OPERATOR),
        onAuthorityChange: () => () => undefined,
        status: () => published.config.status,
      },
      new AbortController().signal,
    );
    return new MeshedService(mesh, endpoint, published);
  }

  /** What its operator publishes of its roots from now on. */
  publishRoots(...pkis: readonly TestPki[]): void {
    this.#published.config = {
      ...this.#published.config,
      status: { ...this.#published.config.status, ...configOf(pkis, this.#published.config).status },
    };
  }

  /** What the MeshConfig says of a foreign trust domain from now on; undefined takes it out. */
  federate(endpoint: Endpoint, fetched: FederationStatus | undefined): void {
    const federation = fetched ? [{ trustDomain: fetched.trustDomain, bundleEndpoint: endpoint }] : [];
    this.#published.config = {
      ...this.#published.config,
      spec: { ...this.#published.config.spec, federation },
      status: { ...this.#published.config.status, federation: fetched ? [fetched] : [] },
    };
    this.mesh.db.identity.set({ bundle: readTrust(this.#published.config).state!.bundle });
  }

  /** From now on only this caller may connect. */
  allow(source: object): void {
    const spec = { source, destination: { service: DB.service }, action: 'allow' };
    const rule = toRule({ metadata: { name: 'rule', namespace: DB.namespace }, spec }, 'mesh');
    const policy = new Policy(this.mesh.pki, 'deny', [rule]);
    const destination = { namespace: namespaceName(DB.namespace), service: serviceName(DB.service) };
    this.mesh.policy.decideBy(
      (caller) => policy.decide({ source: caller, destination, now: Date.now() }).action,
    );
  }

  async stop(): Promise<void> {
    await this.#endpoint.close(1_000);
    await this.mesh.stop();
  }
}

function configOf(pkis: readonly TestPki[], before: MeshConfig | undefined): MeshConfig {
  const roots = pkis.map(({ rootPem: pem }, index) => ({
    id: sha256Hex(readCertificates(pem)[0]!.raw),
    ...{ pem, active: index === 0, notAfter: '2036-01-01T00:00:00Z' },
  }));
  return {
    metadata: { name: 'mesh' },
    spec: { trustDomain: pkis[0]!.trustDomain },
    status: { roots, ownBundle: ownBundle(before?.status?.ownBundle, roots, Date.now()) },
  };
}
