import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { CATALOG_ENTRIES } from '#kube/types.ts';
import type { TestPki } from '#pki/testing/test-pki.fake.ts';

import type { Resolution, Target } from '../../dataplane/interfaces/resolver.ts';
import { FakeIdentity } from '../../testing/sources.fake.ts';
import { FakeTrust, meshConfigOf } from '../trust/trust.fake.ts';
import { Catalog } from './catalog.ts';
import { CatalogResolver } from './catalog-resolver.ts';
import { EndpointPool } from './endpoint-pool.ts';
import { MESH_NAMESPACE, dbService, entry, pod, slice } from './objects.fake.ts';
import { SliceApi } from './slice-api.ts';
import { SLICES } from './slice.ts';

/** Whose sidecar looks things up. */
export const web = { namespace: namespaceName('shop'), service: serviceName('web') };
/** What it looks for. */
export const db = { namespace: namespaceName('shop'), service: serviceName('db') };

/** What the sidecar of web knows of the mesh, read from an API server. The catalog is still to be started. */
export class CatalogWorld {
  readonly fake: FakeApiServer;
  readonly catalog: Catalog;
  readonly pool: EndpointPool;
  /** With a certificate. */
  readonly resolver: CatalogResolver;
  readonly #pki: TestPki;

  private constructor(fake: FakeApiServer, pki: TestPki, identity: FakeIdentity) {
    const shared = { api: fake.api, clock: systemClock, log: new FakeLog() };
    this.fake = fake;
    this.#pki = pki;
    this.catalog = new Catalog({ ...shared, meshNamespace: namespaceName(MESH_NAMESPACE) });
    this.pool = new EndpointPool({ ...shared, api: new SliceApi(shared.api), idleMs: 100 });
    this.resolver = this.resolverOf(identity);
  }

  static async prepare(pki: TestPki): Promise<CatalogWorld> {
    const identity = new FakeIdentity(await pki.svid(web), pki.bundle);
    return new CatalogWorld(await FakeApiServer.started(), pki, identity);
  }

  /** A resolver of somebody else, over the same catalog. */
  resolverOf(identity: FakeIdentity, patienceMs = 2_000): CatalogResolver {
    const trust = new FakeTrust();
    trust.set(meshConfigOf([this.#pki]));
    const { catalog, pool } = this;
    return new CatalogResolver({
      ...{ identity, catalog, pool, trust, patienceMs },
      clock: systemClock,
      podIps: ['10.1.0.9'],
    });
  }

  /** The service db: a Kubernetes Service with two ready pods and one that is not. */
  readonly putDb = (): void => {
    this.fake.put(CATALOG_ENTRIES, entry('db', { services: [dbService] }));
    this.fake.put(
      SLICES,
      slice('db-1', { endpoints: [pod('10.1.0.1'), pod('10.1.0.2', { ready: false }), pod('10.1.0.3', {})] }),
    );
  };

  async close(): Promise<void> {
    await Promise.all([this.catalog.stop(), this.pool.stop()]);
    await this.fake.close();
  }
}

/** @throws Error where it is not a service of the mesh */
export function targetOf(resolution: Resolution): Target {
  if (resolution.kind !== 'mesh') throw new Error(JSON.stringify(resolution));
  return resolution.target;
}

/** Why it is not known; its kind where it is. */
export function reasonOf(resolution: Resolution): string {
  return resolution.kind === 'unknown' ? resolution.reason : resolution.kind;
}
