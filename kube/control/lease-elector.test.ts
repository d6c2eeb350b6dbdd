import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { FakeClock } from '#base/testing/clock.fake.ts';
import type { KubeClient } from '../client/client.ts';
import { FakeApiServer } from '../testing/fake-api.fake.ts';
import { LeaseElector } from './lease-elector.ts';
import type { LeaseElectorOptions } from './lease-elector.ts';
import { silentLog } from '#base/log.ts';
import { LEASES } from '../types.ts';
import { eventually } from '#base/testing/eventually.ts';

const LEASE = { name: 'mesh-operator', namespace: 'mesh' };

let fake: FakeApiServer;
let clock: FakeClock;
const contenders: Contender[] = [];

beforeEach(async () => {
  fake = await FakeApiServer.started();
  clock = new FakeClock();
});

afterEach(async () => {
  const stopping = Promise.all(contenders.splice(0).map(({ elector }) => elector.stop()));
  await pass(6_000);
  await stopping;
  await fake.close();
});

class Contender {
  readonly events: string[] = [];
  readonly elector: LeaseElector;
  readonly api: KubeClient;
  signal: AbortSignal | undefined;

  constructor(identity: string, options: Partial<LeaseElectorOptions> = {}) {
    this.api = fake.client();
    this.elector = new LeaseElector({
      api: this.api,
      clock,
      log: silentLog,
      ...LEASE,
      identity,
      random: () => 0,
      onStarted: (signal) => {
        this.events.push('started');
        this.signal = signal;
      },
      onLost: () => void this.events.push('lost'),
      ...options,
    });
    contenders.push(this);
    this.elector.start();
  }
}

/** Lets time pass in small steps, and requests over the network run in between. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await clock.advance(Math.min(500, ms - passed));
    const requests = fake.requests.length;
    for (let quiet = 0, seen = requests; quiet < 2; quiet++) {
      await new Promise((resolve) => setTimeout(resolve, 4));
      if (fake.requests.length !== seen) quiet = -1;
      seen = fake.requests.length;
    }
  }
}

const holder = () => fake.find(LEASES, LEASE)?.spec?.holderIdentity;

test('the first of two leads, and the other waits as long as it does', async () => {
  const a = new Contender('a');
  await eventually(() => a.elector.isLeader);
  const b = new Contender('b');
  await pass(60_000);
  expect(a.events).toEqual(['started']);
  expect(b.events).toEqual([]);
  expect(b.elector.leader).toBe('a');
  expect(fake.find(LEASES, LEASE)?.spec).toMatchObject({
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    leaseTransitions: 0,
  });
});

test('two that start at the same moment do not both lead', async () => {
  const [a, b] = [new Contender('a'), new Contender('b')];
  await pass(30_000);
  expect([...a.events, ...b.events]).toEqual(['started']);
  expect(a.elector.isLeader).not.toBe(b.elector.isLeader);
});

test('a leader that stops hands over at once', async () => {
  const a = new Contender('a');
  await eventually(() => a.elector.isLeader);
  const b = new Contender('b');
  await pass(2_000);
  await a.elector.stop();
  expect(holder()).toBe('');
  expect(a.signal?.aborted).toBe(true);
  await pass(4_500);
  expect(b.elector.isLeader).toBe(true);
  expect(a.events).toEqual(['started']);
  expect(fake.find(LEASES, LEASE)?.spec?.leaseTransitions).toBe(1);
});

test('a leader that dies is followed when its lease has expired, not sooner', async () => {
  const a = new Contender('a');
  await eventually(() => a.elector.isLeader);
  const b = new Contender('b');
  await pass(2_500);
  const dead = fake.find(LEASES, LEASE)!;
  a.api.close();
  await pass(12_000);
  expect(b.elector.isLeader).toBe(false);
  expect(holder()).toBe('a');
  await pass(8_000);
  expect(b.elector.isLeader).toBe(true);
  expect(dead.spec?.holderIdentity).toBe('a');
});

test('a leader that cannot renew stops to lead before another can begin', async () => {
  const a = new Contender('a');
  await eventually(() => a.elector.isLeader);
  const b = new Contender('b');
  await pass(1_000);
  let aLostAt: number | undefined;
  let bStartedAt: number | undefined;
  a.api.close();
  for (let i = 0; i < 40 && !bStartedAt; i++) {
    await pass(500);
    if (a.events.includes('lost')) aLostAt ??= clock.now();
    if (b.events.includes('started')) bStartedAt ??= clock.now();
  }
  expect(a.events).toEqual(['started', 'lost']);
  expect(a.signal?.aborted).toBe(true);
  expect(bStartedAt! - aLostAt!).toBeGreaterThanOrEqual(2_000);
});

test('a leader whose requests hang stops to lead in time as well', async () => {
  const a = new Contender('a');
  await eventually(() => a.elector.isLeader);
  fake.stall();
  await pass(11_000);
  expect(a.events).toEqual(['started', 'lost']);
  fake.resume();
  await pass(4_000);
  expect(a.events).toEqual(['started', 'lost', 'started']);
});

test('a short failure of the server costs nobody the lead', async () => {
  const a = new Contender('a');
  await eventually(() => a.elector.isLeader);
  fake.failNext(500, 3);
  await pass(20_000);
  expect(a.events).toEqual(['started']);
});

test('the clock of another machine does not matter', async () => {
  const inThePast = '2001-01-01T00:00:00.000000Z';
  fake.put(LEASES, {
    metadata: LEASE,
    spec: { holderIdentity: 'other', leaseDurationSeconds: 15, renewTime: inThePast },
  });
  const a = new Contender('a');
  await pass(13_000);
  expect(a.elector.isLeader).toBe(false);
  await pass(6_000);
  expect(a.elector.isLeader).toBe(true);
});

test('a lease that was taken by another ends the lead', async () => {
  const a = new Contender('a');
  await eventually(() => a.elector.isLeader);
  const lease = fake.find(LEASES, LEASE)!;
  fake.put(LEASES, { ...lease, spec: { ...lease.spec, holderIdentity: 'thief' } });
  await pass(3_000);
  expect(a.events).toEqual(['started', 'lost']);
});

test('a lease that somebody labelled or deleted stays ours', async () => {
  const a = new Contender('a');
  await eventually(() => a.elector.isLeader);
  fake.put(LEASES, { ...fake.find(LEASES, LEASE)!, metadata: { ...LEASE, labels: { seen: 'yes' } } });
  await pass(3_000);
  fake.remove(LEASES, LEASE);
  await pass(3_000);
  expect(a.events).toEqual(['started']);
  expect(holder()).toBe('a');
});

describe('stopping', () => {
  test('waits for the work to end before the lease is given away', async () => {
    let end: () => void = () => undefined;
    const a = new Contender('a', { onStarted: () => new Promise((resolve) => (end = resolve)) });
    await eventually(() => a.elector.isLeader);
    await pass(500);
    const stopping = a.elector.stop();
    await pass(1_000);
    expect(holder()).toBe('a');
    end();
    await stopping;
    expect(holder()).toBe('');
  });

  test('leaves the lease to expire when the work does not end', async () => {
    const a = new Contender('a', { onStarted: () => new Promise(() => undefined) });
    await eventually(() => a.elector.isLeader);
    await pass(500);
    const stopping = a.elector.stop();
    await pass(5_000);
    await stopping;
    expect(holder()).toBe('a');
  });

  test('a contender that does not lead touches nothing', async () => {
    const a = new Contender('a');
    await eventually(() => a.elector.isLeader);
    const b = new Contender('b');
    await pass(1_000);
    await b.elector.stop();
    await b.elector.stop();
    expect(holder()).toBe('a');
  });

  test('work that throws is no reason to stop leading', async () => {
    const a = new Contender('a', { onStarted: () => Promise.reject(new Error('no')) });
    await eventually(() => a.elector.isLeader);
    await pass(5_000);
    expect(a.elector.isLeader).toBe(true);
  });
});
