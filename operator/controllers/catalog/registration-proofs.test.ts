import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import type { ControlTarget } from '../../sidecar-commands/control-client.ts';
import { FakeEvents } from '../../control-loop/events.fake.ts';
import { SCOPE } from '../controllers.fake.ts';
import { meshPod, registration } from './catalog-objects.fake.ts';
import { RegistrationProofs } from './registration-proofs.ts';

const WAIT_MS = 120_000;

function world(
  pods: readonly Pod[],
  answers: (target: ControlTarget) => boolean,
  reserved: readonly string[] = [],
) {
  const clock = new FakeClock();
  const cache = new FakeCache(pods);
  const events = new FakeEvents();
  const asked: ControlTarget[] = [];
  const changed: string[] = [];
  const proofs = new RegistrationProofs({
    ...{ pods: cache, clock, events, scope: SCOPE, log: new FakeLog() },
    ask: (target) => {
      asked.push(target);
      return answers(target) ? Promise.resolve({ ok: true }) : Promise.reject(new Error('nobody there'));
    },
    isReserved: (address) => Promise.resolve(reserved.includes(address)),
  });
  const start = (wasPublished = false): void =>
    proofs.start(
      () => wasPublished,
      ({ metadata }) => changed.push(metadata.name),
    );
  return { clock, cache, events, asked, changed, proofs, start };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

describe('a process outside of pods', () => {
  const claim = registration('db-1', 'db', '10.9.0.1', 40_001);

  test('is assumed to be where a sidecar shows its service’s certificate', async () => {
    const { proofs, start, asked, changed } = world([claim], () => true);
    start();
    expect(proofs.isProven(claim)).toBe(false);
    await settle();
    expect(proofs.isProven(claim)).toBe(true);
    expect(asked).toEqual([
      { ip: '10.9.0.1', port: 40_001, spiffeId: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/db' },
    ]);
    expect(changed).toEqual(['db-1']);
  });

  test('is not where nobody shows it, until somebody does', async () => {
    let there = false;
    const { proofs, start, clock, asked } = world([claim], () => there);
    start();
    await settle();
    expect(proofs.isProven(claim)).toBe(false);
    there = true;
    await clock.advance(WAIT_MS);
    await settle();
    expect([proofs.isProven(claim), asked.length]).toEqual([true, 2]);
  });

  test('at another address needs another proof', async () => {
    const { proofs, start, cache } = world([claim], ({ ip }) => ip === '10.9.0.1');
    start();
    await settle();
    const moved = registration('db-1', 'db', '192.0.2.1', 40_001);
    cache.put(moved);
    await settle();
    expect([proofs.isProven(moved), proofs.isProven(claim)]).toEqual([false, false]);
  });

  test('cannot be at an address of the cluster itself, whoever answers at the port it names', async () => {
    const { proofs, start, asked, events, clock } = world([claim], () => true, ['10.9.0.1']);
    start();
    await settle();
    await clock.advance(WAIT_MS);
    expect([proofs.isProven(claim), asked.length]).toEqual([false, 0]);
    expect(events.told).toMatchObject([{ type: 'Warning', reason: 'AddressRefused' }]);
  });

  test('keeps what an earlier leader published, until five handshakes have failed', async () => {
    const { proofs, start, clock, changed } = world([claim], () => false);
    start(true);
    await settle();
    expect(proofs.isProven(claim)).toBe(true);
    for (let round = 0; round < 5; round++) {
      await clock.advance(WAIT_MS);
      await settle();
    }
    expect([proofs.isProven(claim), changed]).toEqual([false, ['db-1']]);
  });

  test('is asked for no more when it is gone, and pods are never asked', async () => {
    const { proofs, start, cache, asked, clock } = world([claim, meshPod('web-0', 'web')], () => false);
    start();
    await settle();
    cache.remove('shop/db-1');
    await clock.advance(WAIT_MS);
    await settle();
    expect(asked).toHaveLength(1);
    proofs.stop();
  });
});

test('so many handshakes at most are under way at once', async () => {
  const claims = Array.from({ length: 50 }, (_, index) =>
    registration(`r-${index}`, 'db', `10.9.1.${index}`, 40_001),
  );
  const clock = new FakeClock();
  let running = 0;
  let most = 0;
  const ends: (() => void)[] = [];
  const proofs = new RegistrationProofs({
    ...{ pods: new FakeCache(claims), clock, events: new FakeEvents(), scope: SCOPE, log: new FakeLog() },
    ask: () => {
      most = Math.max(most, ++running);
      return new Promise((resolve) =>
        ends.push(() => {
          running -= 1;
          resolve({});
        }),
      );
    },
    isReserved: () => Promise.resolve(false),
  });
  proofs.start(
    () => false,
    () => undefined,
  );
  await settle();
  while (ends.length > 0) {
    ends.shift()?.();
    await settle();
  }
  expect(most).toBe(8);
  expect(claims.every((claim) => proofs.isProven(claim))).toBe(true);
});
