import type { MeshConfig } from '#core/model/mesh-config.ts';
import { MESH_CONFIGS } from '#kube/types.ts';

import type { WatchedCertificate } from '../../ca/expiry.ts';
import { FakeCache } from '../../control-loop/cache.fake.ts';
import { StatusWriter } from '../../control-loop/status-writer.ts';
import { ControllerWorld, SCOPE } from '../controllers.fake.ts';
import { MeshConfigController } from './controller.ts';

let world: ControllerWorld;

beforeEach(async () => {
  world = await ControllerWorld.make();
});

afterEach(() => world.end());

describe('the mesh config controller', () => {
  let meshConfigs: FakeCache<MeshConfig>;
  let authority: FakeAuthorityWatch;
  let certificates: WatchedCertificate[];
  const find = (): MeshConfig | undefined => world.fake.find(MESH_CONFIGS, { name: 'mesh' });

  beforeEach(() => {
    meshConfigs = new FakeCache();
    authority = new FakeAuthorityWatch();
    certificates = [];
  });

  const duty = (given: MeshConfig['spec'] = { leafTTL: '1h' }): MeshConfigController =>
    new MeshConfigController({
      api: world.fake.api,
      clock: world.clock,
      events: world.events,
      log: world.log,
      ...{ meshConfigs, scope: SCOPE, owner: undefined, given: given ?? {} },
      status: new StatusWriter(MESH_CONFIGS, { ...world, api: world.fake.api }),
      authority: {
        choice: { provider: 'builtin' },
        roots: () => [{ id: 'r', pem: 'PEM', active: true, notAfter: '2036-01-01T00:00:00Z' }],
      },
      authorityWatch: authority,
      certificates: () => certificates,
      audit: undefined,
    });

  const condition = (type: string): string | undefined =>
    find()?.status?.conditions?.find((one) => one.type === type)?.status;

  test('a certificate near its end is a condition at once, and an Event once for each threshold, whoever leads', async () => {
    const day = 86_400_000;
    const notAfter = world.clock.now() + 31 * day;
    certificates = [{ name: 'the root', notBefore: notAfter - 100 * day, notAfter, remedy: 'replace it' }];
    const pass = async (days: number): Promise<void> => {
      world.clock.jump(days * day);
      await world.clock.advance(60_000);
      world.sync(MESH_CONFIGS, meshConfigs);
    };
    const first = await world.run(duty());
    expect(condition('CertificatesFresh')).toBe('True');
    await pass(2);
    await first.idle();
    expect(condition('CertificatesFresh')).toBe('False');
    await first.stop();
    world.sync(MESH_CONFIGS, meshConfigs);
    const second = await world.run(duty());
    for (const days of [0, 20, 0, 20, 0]) {
      await pass(days);
      await second.idle();
    }
    const told = world.events.told.filter(({ type }) => type === 'Warning');
    expect(told.map(({ reason }) => reason)).toEqual([
      'CertificateEndsSoon',
      'CertificateEndsSoon',
      'CertificateEnded',
    ]);
    expect(find()?.status?.conditions?.find(({ type }) => type === 'CertificatesFresh')).toMatchObject({
      status: 'False',
      reason: 'Ended',
      message: expect.stringMatching(/^the root ended on .*: replace it$/),
    });
  });

  test('what users change stays until the chart’s values change', async () => {
    const controller = await world.run(duty());
    await world.fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { spec: { leafTTL: '2h' } });
    world.sync(MESH_CONFIGS, meshConfigs);
    await controller.idle();
    await world.run(duty());
    expect(find()?.spec?.leafTTL).toBe('2h');
    await world.run(duty({ leafTTL: '3h' }));
    expect(find()?.spec?.leafTTL).toBe('3h');
  });

  test('another trust domain in the object is put back, and told', async () => {
    const controller = await world.run(duty());
    await world.fake.api.mergePatch(
      MESH_CONFIGS,
      { name: 'mesh' },
      { spec: { trustDomain: 'other.example', leafTTL: '2h' } },
    );
    world.sync(MESH_CONFIGS, meshConfigs);
    await controller.idle();
    expect(find()?.spec).toEqual({ trustDomain: 'cluster.local', datacenter: 'dc1', leafTTL: '2h' });
    expect(world.events.told).toMatchObject([{ type: 'Warning', reason: 'ChangeRefused' }]);
    expect(
      world.log.lines.some(
        ({ message }) => message === 'a change of the MeshConfig is refused and was taken back',
      ),
    ).toBe(true);
  });

  test('another trust domain in the chart’s values is refused for as long as it stands there', async () => {
    await world.run(duty({ trustDomain: 'other.example' }));
    expect(find()?.spec?.trustDomain).toBe('cluster.local');
    expect(condition('Accepted')).toBe('False');
    expect(
      world.log.lines.filter(({ message }) => message === 'a value of the chart is refused'),
    ).toHaveLength(1);
  });

  test('made again when it is deleted', async () => {
    const controller = await world.run(duty());
    world.sync(MESH_CONFIGS, meshConfigs);
    world.fake.remove(MESH_CONFIGS, { name: 'mesh' });
    world.sync(MESH_CONFIGS, meshConfigs);
    await controller.idle();
    expect(find()?.status?.roots).toHaveLength(1);
  });

  test('says at once when certificates cannot be signed any more, and when they can again', async () => {
    const controller = await world.run(duty());
    world.sync(MESH_CONFIGS, meshConfigs);
    await controller.idle();
    expect(condition('AuthorityReady')).toBe('True');
    for (const fault of ['Secret mesh/mesh-ca is gone', undefined]) {
      authority.become(fault);
      await controller.idle();
      world.sync(MESH_CONFIGS, meshConfigs);
      await controller.idle();
      expect(condition('AuthorityReady')).toBe(fault === undefined ? 'True' : 'False');
    }
  });
});

/** The watch over the authority, as a test sets it. */
class FakeAuthorityWatch {
  fault: string | undefined;
  readonly #listeners = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  become(fault: string | undefined): void {
    this.fault = fault;
    for (const listener of this.#listeners) listener();
  }
}
