import { FrameBudget } from '../memory/frame-budget.ts';
import { framesIn, helloBytes } from './frames/frames.fake.ts';
import { BASE_LIMITS, FRAME, SETTING } from './frames/protocol.ts';
import { TunnelSession } from './session.ts';
import { PAIR_BUDGET, SessionPair, turn } from './session-pair.fake.ts';
import { StreamEnd } from './stream-end.fake.ts';
import type { TunnelStream } from './tunnel-stream.ts';
import { FakeWire } from './wire.fake.ts';

let pair: SessionPair;
beforeEach(() => {
  pair = new SessionPair();
});
afterEach(async () => {
  await pair.stop();
  expect(pair.clock.pendingTimers).toBe(0);
  expect([pair.dialer.streams, pair.acceptor.streams]).toEqual([0, 0]);
  expect(pair.budgetLeft).toBe(PAIR_BUDGET);
});

function ends(near: TunnelStream, far: TunnelStream): readonly [StreamEnd, StreamEnd] {
  const one = new StreamEnd(near, 1, 2);
  const other = new StreamEnd(far, 2, 1);
  near.carry(one);
  far.carry(other);
  return [one, other];
}

test('one side ends and the other goes on, either way', async () => {
  for (const first of [0, 1]) {
    const both = ends(...(await pair.stream()));
    const [early, late] = first === 0 ? both : [both[1], both[0]];
    early.say(10);
    early.finish();
    await pair.settle();
    expect(late).toMatchObject({ heard: 10, peerEnded: true, end: undefined });
    late.say(100_000);
    late.finish();
    await pair.settle();
    expect(early).toMatchObject({ heard: 100_000, peerEnded: true, end: { clean: true }, faults: [] });
    expect(late.end).toEqual({ clean: true });
  }
});

test('what a stream is opened for arrives with its first bytes, before anybody consents', async () => {
  const near = pair.dialer.open({ port: 5_432, originalDestination: '10.0.0.1:5432' });
  near.write(Buffer.from('hello'));
  await pair.settle();
  const [far] = pair.arrived;
  expect(far!.header).toEqual({ port: 5_432, originalDestination: '10.0.0.1:5432' });
  const heard: string[] = [];
  far!.accept();
  far!.carry({ onData: (data) => heard.push(data.toString()), onEnd() {}, onDrain() {}, onClose() {} });
  expect(heard).toEqual(['hello']);
  await expect(Promise.race([near.consent(), turn().then(() => 'waits')])).resolves.toBe('waits');
  await pair.settle();
  await expect(near.consent()).resolves.toBeUndefined();
});

test('before the consent no more than a base window arrives', async () => {
  const near = pair.dialer.open({ port: 80 });
  expect(near.write(Buffer.alloc(200_000))).toBe(false);
  await pair.settle();
  expect(near.pendingBytes).toBe(200_000 - BASE_LIMITS.streamWindow);
});

test('a refusal says why, and so does every later question', async () => {
  const near = pair.dialer.open({ port: 80 });
  const asked = near.consent();
  asked.catch(() => undefined);
  await pair.settle();
  pair.arrived[0]!.reset('denied', 'rule shop/deny-web says no');
  await pair.settle();
  for (const answer of [asked, near.consent()]) {
    await expect(answer).rejects.toMatchObject({ reason: 'denied', message: 'rule shop/deny-web says no' });
  }
});

test('a reset carries its reason to whoever holds the other end', async () => {
  const [near, far] = await pair.stream();
  const [one] = ends(near, far);
  far.reset('expired-certificate', 'the certificate has expired');
  await pair.settle();
  expect(one.end).toMatchObject({
    clean: false,
    why: { reason: 'expired-certificate', message: 'the certificate has expired' },
  });
});

test('who opened a stream that is lost before the consent hears of it', async () => {
  let lost = 0;
  const near = pair.dialer.open({ port: 80 });
  await pair.settle();
  pair.arrived[0]!.whenLost(() => (lost += 1));
  near.reset('cancelled', 'gone');
  await pair.settle();
  expect(lost).toBe(1);
});

test('more streams than a tunnel takes are not opened here', async () => {
  for (let count = 0; count < BASE_LIMITS.maxStreams; count++) {
    expect(pair.dialer.takesStreams).toBe(true);
    pair.dialer.open({ port: 80 });
  }
  expect(pair.dialer.takesStreams).toBe(false);
  await pair.settle();
  expect(pair.arrived).toHaveLength(BASE_LIMITS.maxStreams);
  pair.arrived[5]!.reset('denied', '');
  await pair.settle();
  expect(pair.dialer.takesStreams).toBe(true);
});

test('a peer that takes more streams than we hold windows for gets no more than these', () => {
  const [wire, peer] = FakeWire.pair();
  const session = new TunnelSession({
    role: 'dialer',
    wire,
    clock: pair.clock,
    growth: pair.budget,
    frames: new FrameBudget(pair.clock),
    lingerMs: 1_000,
    events: { onClose: () => undefined },
  });
  session.start();
  wire.inject(helloBytes([[SETTING.maxStreams, 5_000]]));
  while (session.takesStreams) session.open({ port: 80 });
  expect(session.streams).toBe(BASE_LIMITS.maxStreams);
  session.close('idle', 'enough');
  peer.reset();
});

test('the connection that goes ends every stream of it', async () => {
  const [near, far] = await pair.stream();
  const [one, other] = ends(near, far);
  const waiting = pair.dialer.open({ port: 80 });
  const asked = expect(waiting.consent()).rejects.toMatchObject({ reason: 'tunnel-lost' });
  pair.wires[0].reset();
  await turn();
  await turn();
  await asked;
  for (const end of [one, other])
    expect(end.end).toMatchObject({ clean: false, why: { reason: 'tunnel-lost' } });
  expect(pair.ends).toMatchObject({ dialer: { reason: 'tunnel-lost' }, acceptor: { reason: 'tunnel-lost' } });
});

test('a stream that is opened when the tunnel is gone already is lost at once', async () => {
  pair.dialer.close('idle', 'no stream for a while');
  const late = pair.dialer.open({ port: 80 });
  await expect(late.consent()).rejects.toMatchObject({ reason: 'tunnel-lost' });
  expect(pair.dialer.streams).toBe(0);
});

test('a vouch arrives as it was said', async () => {
  pair.dialer.vouch('ab'.repeat(32));
  await pair.settle();
  pair.acceptor.vouch('cd'.repeat(32));
  await pair.settle();
  expect(pair.vouches).toEqual([`acceptor ${'ab'.repeat(32)}`, `dialer ${'cd'.repeat(32)}`]);
});

test('a silent peer is asked, and one that answers stays', async () => {
  pair.wires[0].record = true;
  await pair.settle();
  for (let second = 0; second < 60; second++) {
    await pair.clock.advance(1_000);
    await pair.settle();
  }
  expect(pair.ends).toEqual({});
  const asked = framesIn(Buffer.concat(pair.wires[0].written)).filter(({ type }) => type === FRAME.ping);
  expect(asked.length).toBeGreaterThan(2);
});

test('a peer that answers no more is given up within fifteen seconds, and takes no new stream before', async () => {
  const [near, far] = await pair.stream();
  const [one] = ends(near, far);
  await pair.clock.advance(10_000);
  expect(pair.dialer.takesStreams).toBe(false);
  await pair.clock.advance(5_000);
  expect(pair.ends.dialer).toEqual({
    reason: 'tunnel-lost',
    text: 'the peer did not answer within 5 seconds',
  });
  expect(one.end).toMatchObject({ clean: false, why: { reason: 'tunnel-lost' } });
});

test('says that it carries a bulk transfer while it does', async () => {
  const [one] = ends(...(await pair.stream()));
  expect([pair.dialer.carriesBulk, pair.acceptor.carriesBulk]).toEqual([false, false]);
  for (let turns = 0; turns < 40; turns++) {
    one.say(262_144);
    await pair.settle();
  }
  await pair.clock.advance(200);
  expect([pair.dialer.carriesBulk, pair.acceptor.carriesBulk]).toEqual([true, true]);
  await pair.clock.advance(200);
  expect(pair.dialer.carriesBulk).toBe(false);
});
