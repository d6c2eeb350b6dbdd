import { FakeClock } from '#base/testing/clock.fake.ts';
import { KubeConnectionError, KubeError } from '#kube/errors.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { Controller } from './controller.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { WebhookGracePeriod } from './webhook-grace-period.ts';

const CALL =
  'Internal error occurred: failed calling webhook "resources.validate.mesh.dev": failed to call webhook: ' +
  'Post "https://mesh-operator.mesh-system.svc:443/validate?timeout=10s": ';
const away = (
  message = `${CALL}dial tcp 10.96.0.9:443: connect: connection refused`,
  status = 500,
): KubeError => new KubeError({ status, reason: 'InternalError', message });

function patience() {
  const clock = new FakeClock();
  const log = new FakeLog();
  return { clock, log, patience: new WebhookGracePeriod({ clock, log }) };
}

test('a webhook that is not reached yet is waited for, and that is said once', async () => {
  const { clock, log, patience: waiting } = patience();
  expect(waiting.waitMs(away())).toBe(500);
  await clock.advance(10_000);
  expect(waiting.waitMs(away(`${CALL}no endpoints available for service "mesh-operator"`))).toBe(500);
  expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
    ['info', 'waiting for the API server to reach the webhook of this operator'],
  ]);
});

test('it is a failure when it lasts', async () => {
  const { clock, patience: waiting } = patience();
  waiting.waitMs(away());
  await clock.advance(30_000);
  expect(waiting.waitMs(away())).toBeUndefined();
});

test.each<[string, unknown]>([
  ['a certificate that is not trusted', away(`${CALL}x509: certificate signed by unknown authority`)],
  ['the webhook of somebody else', away(`failed calling webhook "policy.example.com": connection refused`)],
  ['a refusal', away(CALL + 'connection refused', 403)],
  ['another fault of the API server', away('etcdserver: request timed out')],
  ['an API server that is away', new KubeConnectionError('connect: connection refused')],
  ['a fault of ours', new TypeError('connection refused')],
])('%s is a failure at once', (_what, error) => {
  const { log, patience: waiting } = patience();
  expect(waiting.waitMs(error)).toBeUndefined();
  expect(log.lines).toEqual([]);
});

test('a controller that meets it tries again without a warning', async () => {
  const { clock, log, patience: waiting } = patience();
  const { metrics } = createMetrics();
  let failures = 3;
  const controller = new Controller(
    {
      name: 'test',
      subscribe: () => [],
      keys: () => ['mesh'],
      reconcile: () => (failures-- > 0 ? Promise.reject(away()) : Promise.resolve()),
    },
    { clock, log, metrics, patience: waiting },
  );
  controller.start();
  await controller.idle();
  await clock.advance(2_000);
  await controller.idle();
  await controller.stop();
  expect(failures).toBe(-1);
  expect(log.lines).toHaveLength(1);
});
