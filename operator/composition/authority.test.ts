import { systemClock } from '#base/clock.ts';
import { eventually } from '#base/testing/eventually.ts';
import type { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import type { FakeLog } from '#base/testing/log.fake.ts';
import { MESH_CONFIGS, MUTATING_WEBHOOKS, SECRETS } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { rootStatus } from '../ca/authority.ts';
import { caSecret } from '../ca/builtin-state.ts';
import { WholeOperator, post, untilReady } from './whole-operator.fake.ts';

describe('the authority of an operator, whole, against an API server', () => {
  let whole: WholeOperator;
  let fake: FakeApiServer;
  let log: FakeLog;
  let start: WholeOperator['start'];

  beforeEach(async () => {
    whole = await WholeOperator.prepare();
    ({ fake, log, start } = whole);
  });

  afterEach(() => whole.close());

  test('an authority whose Secret is deleted is told in the log, the metrics and the MeshConfig', async () => {
    const minute = 60_000;
    whole.clock = {
      ...systemClock,
      setTimeout: (fn, ms) => systemClock.setTimeout(fn, ms === minute ? 50 : ms),
    };
    const { httpPort } = await start();
    const ready = (): string | undefined =>
      fake
        .find(MESH_CONFIGS, { name: 'mesh' })
        ?.status?.conditions?.find(({ type }) => type === 'AuthorityReady')?.status;
    await eventually(() => ready() === 'True');
    fake.remove(SECRETS, { name: 'mesh-ca', namespace: 'mesh' });
    await eventually(() => ready() === 'False');
    const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
    expect(metrics).toContain('mesh_operator_authority_fault 1');
    expect(
      log.lines.filter(({ message }) => message === 'the certificate authority is in trouble'),
    ).toHaveLength(1);
  });

  test('everything has ended while no operator ran: two start, and the mesh is well again by itself', async () => {
    const year = 365 * 24 * 3600 * 1000;
    const ended = await TestPki.create({ now: Date.now() - 11 * year });
    const { rootPem: certificatePem, rootKeyPem: keyPem } = ended;
    fake.put(SECRETS, caSecret('mesh', { certificatePem, keyPem }, undefined));
    fake.put(MESH_CONFIGS, {
      metadata: { name: 'mesh', generation: 1 },
      spec: {},
      status: { roots: [{ ...rootStatus(certificatePem), active: true }] },
    });
    const operators = await Promise.all([start(), start({ POD_NAME: 'mesh-operator-b' })]);
    for (const operator of operators) {
      expect(await post(operator, '/v1/sign')).toMatchObject({ status: 401 });
      await untilReady(operator.httpPort);
    }
    const { status } = fake.find(MESH_CONFIGS, { name: 'mesh' })!;
    expect(status?.roots?.map(({ active }) => active)).toEqual([false, true]);
    expect(status?.rotation).toMatchObject({ phase: 'Draining', reason: 'Ended' });
    const lines = log.lines.map(({ message }) => message);
    expect(lines).toContain('the certificate authority is in trouble');
    expect(lines).toContain('the old root had ended; the new one signs from now on');
    await eventually(() => {
      const [hook] = fake.find(MUTATING_WEBHOOKS, { name: 'mesh' })?.webhooks ?? [];
      const bundle = Buffer.from(hook?.clientConfig.caBundle ?? '', 'base64').toString();
      return bundle === operators[0].rootsPem();
    });
  });

  test('the key is gone: an operator starts, is not ready and says why, and a request puts a new root in the place of the old one', async () => {
    const { rootPem } = await TestPki.create();
    const lost = { ...rootStatus(rootPem), active: true };
    fake.put(MESH_CONFIGS, {
      metadata: { name: 'mesh', generation: 1 },
      spec: { leafTTL: '10s' },
      status: { roots: [lost] },
    });
    const httpPort = 20_000 + Math.floor(Math.random() * 10_000);
    const starting = start({ MESH_HTTP_PORT: String(httpPort) });
    const isFalse = ({ type, status }: { type: string; status: string }): boolean =>
      type === 'AuthorityReady' && status === 'False';
    const condition = await eventually(() =>
      fake.find(MESH_CONFIGS, { name: 'mesh' })?.status?.conditions?.find(isFalse),
    );
    expect(condition.message).toContain('Secret mesh/mesh-ca is gone, but workloads trust its root');
    const ready = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('ask for a rotation')]);
    expect(fake.find(SECRETS, { name: 'mesh-ca', namespace: 'mesh' })).toBeUndefined();
    const request = { ca: { rotation: { request: 'again' } } };
    await fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { spec: request });
    const operator = await starting;
    expect(await post(operator, '/v1/sign')).toMatchObject({ status: 401 });
    const { status } = fake.find(MESH_CONFIGS, { name: 'mesh' })!;
    expect(status?.roots?.map(({ id, active }) => [id === lost.id, active])).toEqual([
      [true, false],
      [false, true],
    ]);
    await eventually(() =>
      fake
        .find(MESH_CONFIGS, { name: 'mesh' })
        ?.status?.conditions?.some((one) => one.type === 'AuthorityReady' && one.status === 'True'),
    );
  }, 60_000);

  test('a broken authority that nobody trusts yet stops the start with a sentence', async () => {
    fake.put(SECRETS, { metadata: { name: 'mesh-ca', namespace: 'mesh' }, data: {} });
    await expect(start()).rejects.toThrow(/Secret mesh\/mesh-ca is broken: its field root.crt is missing/);
  });
});
