import { FakeLog } from '#base/testing/log.fake.ts';

import { SigningWorld, WEB_ADDRESS, boundToken } from './signing-world.fake.ts';

/** Tokens that mean nothing: what they may cost the API server, and those who have good ones. */
let world: SigningWorld;
beforeEach(async () => {
  world = await SigningWorld.create();
});
const reviews = (): number => world.store.calls.filter((call) => call.includes(' tokenreviews ')).length;
const address = (index: number): string => `10.9.${index >> 8}.${index & 255}`;

test('a flood of tokens that cannot be right asks the API server nothing', async () => {
  for (let index = 0; index < 200; index++)
    expect(
      (await world.ask({ authorization: `Bearer garbage-${index}`, sourceAddress: address(index) })).status,
    ).toBe(401);
  expect(reviews()).toBe(0);
});

test('an address whose tokens are refused waits longer and longer, and its connections are not begun meanwhile', async () => {
  const waits: number[] = [];
  for (let attempt = 0; attempt < 12; attempt++) {
    const { status, headers } = await world.ask({ token: `forged-${attempt}`, sourceAddress: '10.9.9.9' });
    if (status !== 429) continue;
    const seconds = Number(headers['Retry-After']);
    waits.push(seconds);
    expect(world.service.isBarred('10.9.9.9')).toBe(true);
    await world.clock.advance(seconds * 1_000);
    expect(world.service.isBarred('10.9.9.9')).toBe(false);
  }
  expect(waits).toEqual([1, 2, 4]);
  expect(world.lastReason).not.toBe('rate-address');
});

test('after a minute of forging an address has been asked about eleven times, however often it tried', async () => {
  world.service = world.serviceWith({ limits: { addressBurst: 1e6, addressPerSecond: 1e6 } });
  for (let tick = 0; tick < 600; tick++) {
    await world.ask({ token: 'forged', sourceAddress: '10.9.9.9' });
    await world.clock.advance(100);
  }
  expect(reviews()).toBe(11);
});

test('a token that is accepted ends the wait', async () => {
  for (let attempt = 0; attempt < 5; attempt++) await world.ask({ token: 'forged' });
  expect((await world.ask()).status).toBe(200);
  for (let attempt = 0; attempt < 5; attempt++)
    expect((await world.ask({ token: 'forged' })).status).toBe(401);
  expect((await world.ask()).status).toBe(200);
});

describe('tokens of pods that the operator does not know', () => {
  beforeEach(() => {
    world.service = world.serviceWith({
      isExpected: ({ podUid }, from) => podUid === 'web-uid' && from === WEB_ADDRESS,
      limits: { reviews: { unexpectedAtOnce: 2, unexpectedBurst: 10, unexpectedPerSecond: 1 } },
    });
  });

  test('are asked about only so many at once, and never keep a known pod from its certificate', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.store.before = ({ plural }) => (plural === 'tokenreviews' && reviews() <= 2 ? held : undefined);
    const slow = [0, 1].map((index) =>
      world.ask({ token: `forged-${index}`, sourceAddress: address(index) }),
    );
    while (reviews() < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await world.ask({ token: 'forged', sourceAddress: address(3) })).toMatchObject({
      status: 429,
      headers: { 'Retry-After': '1' },
    });
    expect(world.lastReason).toBe('rate-unexpected');
    expect((await world.ask()).status).toBe(200);
    release();
    expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([401, 401]);
  });

  test('are asked about only so often, from however many addresses they come', async () => {
    for (let index = 0; index < 300; index++)
      await world.ask({ token: `forged-${index}`, sourceAddress: address(index) });
    expect(reviews()).toBe(10);
    expect((await world.ask()).status).toBe(200);
  });

  test('get their certificate when there is room: a pod that was made a moment ago', async () => {
    world.putPod('web-2', 'web-2-uid', { service: 'web', serviceAccount: 'web' });
    world.tokens.set('new-token', boundToken('web', 'web-2', 'web-2-uid'));
    const authorization = `Bearer ${world.tokenOf('new-token')}`;
    world.service = world.serviceWith({ isExpected: () => false });
    expect((await world.ask({ authorization })).status).toBe(200);
  });
});

test('lines about strangers have a log of their own, which may be limited', async () => {
  const strangersLog = new FakeLog();
  world.service = world.serviceWith({ strangersLog });
  await world.ask({ token: 'forged' });
  await world.ask({ service: 'db' });
  expect(strangersLog.lines.map(({ fields }) => fields['reason'])).toEqual(['token-rejected']);
  expect(world.log.lines.map(({ fields }) => fields['reason'])).toContain('service-mismatch');
});
