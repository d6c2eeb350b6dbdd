import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { createMetrics } from '../metrics/metrics.ts';
import { AuthorityWatch } from './authority-watch.ts';

const MINUTE = 60_000;

async function watched() {
  const clock = new FakeClock();
  const log = new FakeLog();
  const { metrics, registry } = createMetrics();
  const authority = {
    state: undefined as string | Error | undefined,
    asked: 0,
    fault(): Promise<string | undefined> {
      authority.asked += 1;
      return authority.state instanceof Error
        ? Promise.reject(authority.state)
        : Promise.resolve(authority.state);
    },
  };
  const watch = new AuthorityWatch({ authority, clock, log, metrics });
  let changes = 0;
  const unsubscribe = watch.onChange(() => (changes += 1));
  await watch.look();
  const gauge = async () => /^mesh_operator_authority_fault (\d)$/m.exec(await registry.metrics())?.[1];
  return { clock, log, authority, watch, unsubscribe, gauge, changes: () => changes };
}

test('an authority that is well is asked once a minute, in silence', async () => {
  const { clock, log, authority, gauge, watch, changes } = await watched();
  await clock.advance(3 * MINUTE);
  expect([authority.asked, log.lines, changes(), watch.fault]).toEqual([4, [], 0, undefined]);
  expect(await gauge()).toBe('0');
});

test('trouble is told once, and its end too', async () => {
  const { clock, log, authority, gauge, watch, changes } = await watched();
  authority.state = 'Secret mesh/mesh-ca is gone';
  await clock.advance(3 * MINUTE);
  expect(log.lines).toEqual([
    {
      level: 'error',
      message: 'the certificate authority is in trouble',
      fields: { fault: 'Secret mesh/mesh-ca is gone' },
    },
  ]);
  expect([watch.fault, changes(), await gauge()]).toEqual(['Secret mesh/mesh-ca is gone', 1, '1']);

  authority.state = 'Secret mesh/mesh-ca holds another root';
  await clock.advance(MINUTE);
  expect([log.lines.length, changes()]).toEqual([2, 2]);

  authority.state = undefined;
  await clock.advance(MINUTE);
  expect(log.lines.at(-1)).toMatchObject({
    level: 'info',
    message: 'the certificate authority is well again',
  });
  expect([watch.fault, changes(), await gauge()]).toEqual([undefined, 3, '0']);
});

test('looked at in between, it is told at once, and asked once a minute from then on', async () => {
  const { clock, authority, watch } = await watched();
  await clock.advance(MINUTE / 2);
  authority.state = 'gone';
  await Promise.all([watch.look(), watch.look()]);
  expect([watch.fault, authority.asked]).toEqual(['gone', 3]);
  await clock.advance(MINUTE - 1);
  expect(authority.asked).toBe(3);
  await clock.advance(1);
  expect(authority.asked).toBe(4);
});

test('one that cannot be asked is in trouble, and asked again', async () => {
  const { clock, authority, watch } = await watched();
  authority.state = new Error('no such key');
  await clock.advance(MINUTE);
  expect(watch.fault).toBe('it cannot be asked: no such key');
  authority.state = undefined;
  await clock.advance(MINUTE);
  expect(watch.fault).toBeUndefined();
});

test('whoever left is told nothing, and nobody is asked after the end', async () => {
  const { clock, authority, watch, unsubscribe, changes } = await watched();
  unsubscribe();
  authority.state = 'gone';
  await clock.advance(MINUTE);
  expect(changes()).toBe(0);
  watch.stop();
  const { asked } = authority;
  await clock.advance(5 * MINUTE);
  expect(authority.asked).toBe(asked);
  expect(clock.pendingTimers).toBe(0);
});
