import { namespaceName, serviceName } from '#core/names.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { selfSignedPair } from '#base/testing/serving-cert.fake.ts';
import { CATALOG_ENTRIES, INTENTIONS, MESH_CONFIGS } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { entry } from '#sidecar/sources/catalog/objects.fake.ts';
import { SLICES } from '#sidecar/sources/catalog/slice.ts';
import { FakeOperator } from '#sidecar/sources/identity/fake-operator.fake.ts';
import { meshConfigOf } from '#sidecar/sources/trust/trust.fake.ts';

/** The API server and the operator of two sidecars, `shop/web` and `shop/db`; web may reach db, and nothing else is allowed. */
export class ControlPlane {
  readonly apiCaPem: string;
  /** Signs for both services. */
  readonly pki: TestPki;
  /** What both sidecars watch. */
  readonly api: FakeApiServer;
  readonly #operators: ReadonlyMap<string, FakeOperator>;

  private constructor(made: {
    apiCaPem: string;
    pki: TestPki;
    api: FakeApiServer;
    operators: ReadonlyMap<string, FakeOperator>;
  }) {
    this.apiCaPem = made.apiCaPem;
    this.pki = made.pki;
    this.api = made.api;
    this.#operators = made.operators;
  }

  /** @param appPort where db's application listens */
  static async start(appPort: number): Promise<ControlPlane> {
    const [pki, serving] = [await TestPki.create(), await selfSignedPair()];
    const api = await FakeApiServer.started({ tls: { ...serving, protocol: 'h2' } });
    const operators = new Map<string, FakeOperator>();
    for (const service of ['web', 'db']) {
      const who = { namespace: namespaceName('shop'), service: serviceName(service) };
      operators.set(service, await FakeOperator.start(who, pki));
    }
    api.put(MESH_CONFIGS, meshConfigOf([pki]));
    const ports = [{ port: appPort, targetPort: appPort }];
    const services = [{ name: 'db', clusterIPs: ['10.96.0.5'], headless: false, ports }];
    api.put(CATALOG_ENTRIES, entry('db', { services }));
    api.put(INTENTIONS, {
      metadata: { name: 'web-db', namespace: 'shop', generation: 1, uid: 'u1' },
      spec: { source: { service: 'web' }, destination: { service: 'db' }, action: 'allow' },
    } as never);
    api.put(SLICES, {
      metadata: { name: 'db-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'db' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: appPort, protocol: 'TCP' }],
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    });
    return new ControlPlane({ apiCaPem: serving.certPem, pki, api, operators });
  }

  get apiUrl(): string {
    return this.api.url;
  }

  operatorUrl(service: 'web' | 'db'): string {
    return this.#operators.get(service)?.url ?? '';
  }

  /** One more service, which web and db may call, with one endpoint. */
  addService(name: string, endpoint: { readonly address: string; readonly port: number }): void {
    const { address, port } = endpoint;
    const ports = [{ port, targetPort: port }];
    const services = [{ name, clusterIPs: [], headless: false, ports }];
    this.api.put(CATALOG_ENTRIES, entry(name, { services }));
    this.api.put(SLICES, {
      metadata: { name: `${name}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: '', port, protocol: 'TCP' }],
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.api.close(), ...[...this.#operators.values()].map((one) => one.stop())]);
  }
}
