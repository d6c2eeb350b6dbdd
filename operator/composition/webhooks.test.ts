import { eventually } from '#base/testing/eventually.ts';
import type { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import type { FakeLog } from '#base/testing/log.fake.ts';
import { Refused } from '#kube/testing/fake-api.fake.ts';
import { EVENTS, MESH_CONFIGS, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS } from '#kube/types.ts';

import { WholeOperator, untilReady } from './whole-operator.fake.ts';

describe('the webhooks of an operator, whole, against an API server', () => {
  let whole: WholeOperator;
  let fake: FakeApiServer;
  let log: FakeLog;
  let start: WholeOperator['start'];
  let webhooks: WholeOperator['webhooks'];

  beforeEach(async () => {
    whole = await WholeOperator.prepare();
    ({ fake, log, start, webhooks } = whole);
  });

  afterEach(() => whole.close());

  test('the webhooks get their paths and every new certificate; the replica is ready only with them, and closes them at its end', async () => {
    const operator = await start();
    const [own] = webhooks;
    const ready = () => fetch(`http://127.0.0.1:${operator.httpPort}/readyz`).then((answer) => answer.text());
    await eventually(() => own?.paths.length === 3);
    const registered = [MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS].flatMap((type) =>
      (fake.find(type, { name: 'mesh' })?.webhooks ?? []).map(
        ({ clientConfig }) => clientConfig.service?.path,
      ),
    );
    expect(own?.paths.map(({ path }) => path).sort()).toEqual([...new Set(registered)].sort());
    // As the API server requires: every segment a DNS subdomain.
    for (const path of registered) expect(path).toMatch(/^\/[0-9a-f]{64}(\/[a-z]([-a-z]*[a-z])?)+$/);
    expect(operator.webhookPort()).toBe(9443);
    await eventually(() => log.lines.some(({ message }) => message === 'registered with the API server'));
    expect(await ready()).toContain('ok      webhooks');
    own!.problem = 'it does not listen';
    expect(await ready()).toContain('not ok  webhooks: it does not listen');
    await operator.stop();
    expect(own?.isClosed).toBe(true);
  });

  test('a replica that has not heard of the registration is not ready, so that no call meets paths it does not know', async () => {
    fake.intercept = ({ method, path }) =>
      method === 'POST' && path.endsWith('webhookconfigurations')
        ? new Refused(403, 'Forbidden', 'not yet')
        : undefined;
    const operator = await start();
    const ready = () => fetch(`http://127.0.0.1:${operator.httpPort}/readyz`);
    await eventually(() => fake.find(MESH_CONFIGS, { name: 'mesh' })?.status?.roots);
    expect(await (await ready()).text()).toContain('not ok  webhooks: the webhooks are not registered yet');
    fake.intercept = undefined;
    await untilReady(operator.httpPort);
  });

  test('paths are renewed on request, and nothing that the operator says has any of them', async () => {
    const operator = await start();
    await eventually(() => webhooks[0]?.paths.length === 3);
    const before = webhooks[0]!.paths.map(({ path }) => path);
    const metadata = { annotations: { 'mesh.dev/renew-webhook-paths': 'leaked' } };
    await fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { metadata });
    await eventually(() => webhooks[0]?.paths.length === 6);
    const { metrics } = {
      metrics: await (await fetch(`http://127.0.0.1:${operator.httpPort}/metrics`)).text(),
    };
    const events = JSON.stringify(fake.objects(EVENTS));
    const said = JSON.stringify(log.lines) + metrics + events + JSON.stringify(fake.objects(MESH_CONFIGS));
    for (const { path } of webhooks[0]!.paths) expect(said).not.toContain(path.split('/')[1]);
    expect(webhooks[0]!.paths.map(({ path }) => path)).toEqual(expect.arrayContaining(before));
  });
});
