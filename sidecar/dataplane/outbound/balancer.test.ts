import { FakeClock } from '#base/testing/clock.fake.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { DEFAULT_SETTINGS } from '../interfaces/settings.ts';
import type { Endpoint } from '../interfaces/resolver.ts';
import { DB } from '../../testing/data-plane.fake.ts';
import { FakeMetrics } from '../../testing/metrics.fake.ts';
import { FakeTarget } from '../../testing/sources.fake.ts';
import { Balancer } from './balancer.ts';
import type { Choice } from './balancer.ts';

const A: Endpoint = { address: '10.0.0.1', port: 80 };
const B: Endpoint = { address: '10.0.0.2', port: 80 };
const C: Endpoint = { address: '10.0.0.3', port: 80 };

let target: FakeTarget;
let clock: FakeClock;
let metrics: FakeMetrics;
let balancer: Balancer;
let dice: number[];
beforeAll(async () => {
  target = new FakeTarget(DB, (await TestPki.create()).spiffeId(DB), []);
});
beforeEach(() => {
  clock = new FakeClock();
  metrics = new FakeMetrics();
  dice = [];
  target.set([A, B]);
  balancer = new Balancer({ clock, metrics, settings: DEFAULT_SETTINGS, random: () => dice.shift() ?? 0 });
});

function choose(): Choice {
  return balancer.choose(target, new Set())!;
}

function open(): Choice {
  const choice = choose();
  choice.succeeded();
  return choice;
}

/** Makes `endpoint` fail until it is left alone. */
function fail(endpoint: Endpoint): void {
  target.set([endpoint]);
  choose().failed(true);
  target.set([A, B]);
}

test('of two, the one with fewer streams in flight is chosen', () => {
  expect(open().endpoint).toBe(A);
  expect(open().endpoint).toBe(B);
});

test('streams that ended do not count', () => {
  open().finished();
  expect(open().endpoint).toBe(A);
});

test('the two are taken at random', () => {
  target.set([A, B, C]);
  open();
  dice = [0.99, 0];
  expect(open().endpoint).toBe(C);
});

test('many streams spread evenly', () => {
  target.set([A, B, C]);
  balancer = new Balancer({ clock, metrics, settings: DEFAULT_SETTINGS });
  const count = new Map<string, number>();
  for (let index = 0; index < 300; index++) {
    const { address } = open().endpoint;
    count.set(address, (count.get(address) ?? 0) + 1);
  }
  for (const streams of count.values()) expect(Math.abs(streams - 100)).toBeLessThan(10);
});

test('an endpoint that failed is left alone', () => {
  fail(A);
  expect(open().endpoint).toBe(B);
  expect(open().endpoint).toBe(B);
  expect(metrics.ejected).toBe(1);
});

test('after its time one stream tries it, and the others wait for the outcome', async () => {
  fail(A);
  await clock.advance(DEFAULT_SETTINGS.ejectMs);
  const probe = choose();
  expect(probe.endpoint).toBe(A);
  expect(open().endpoint).toBe(B);
  probe.succeeded();
  probe.finished();
  expect(open().endpoint).toBe(A);
  expect(metrics.restored).toBe(1);
});

test('each further failure doubles the time, up to a bound', async () => {
  for (let failures = 0; failures < 10; failures++) fail(A);
  await clock.advance(DEFAULT_SETTINGS.ejectMaxMs - 1);
  expect(open().endpoint).toBe(B);
  await clock.advance(1);
  expect(choose().endpoint).toBe(A);
});

test('a failure that says nothing about the endpoint does not eject it', () => {
  choose().failed(false);
  expect(open().endpoint).toBe(A);
  expect(metrics.ejected).toBe(0);
});

test('when all are out, one is tried all the same', () => {
  fail(A);
  fail(B);
  expect(balancer.choose(target, new Set())).toBeDefined();
});

test('what was tried is not chosen again', () => {
  const tried = new Set<Endpoint>();
  expect(balancer.choose(target, tried)!.endpoint).toBe(A);
  target.set([{ ...A }, { ...B }]);
  expect(balancer.choose(target, tried)!.endpoint).toEqual(B);
  expect(balancer.choose(target, tried)).toBeUndefined();
});

test('nothing is remembered of an endpoint that is idle and well', () => {
  open().finished();
  expect(balancer.remembered).toBe(0);
});

test('endpoints that are gone for good are forgotten', async () => {
  for (let index = 0; index < 1_500; index++) {
    target.set([{ address: `10.1.${index >> 8}.${index & 255}`, port: 80 }]);
    choose().failed(true);
    await clock.advance(100);
  }
  expect(balancer.remembered).toBeLessThan(1_100);
});
