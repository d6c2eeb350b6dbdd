import { SessionPair, turn } from './session-pair.fake.ts';
import { StreamEnd } from './stream-end.fake.ts';

/** How tunnels end: after the streams that are open, or at once. */

let pair: SessionPair;
beforeEach(async () => {
  pair = new SessionPair();
  await pair.settle();
});
afterEach(async () => {
  await pair.stop();
  expect(pair.clock.pendingTimers).toBe(0);
});

test.each(['dialer', 'acceptor'] as const)(
  'when the %s leaves, open streams finish and then the tunnel closes',
  async (who) => {
    const [near, far] = await pair.stream();
    const one = new StreamEnd(near, 1, 2);
    const other = new StreamEnd(far, 2, 1);
    near.carry(one);
    far.carry(other);
    pair[who].goAway('draining', 'this pod is shutting down');
    pair[who].goAway('idle', 'a second time');
    await pair.settle();
    const told = who === 'dialer' ? pair.goAways.acceptor : pair.goAways.dialer;
    expect(told).toEqual({ reason: 'draining', text: 'this pod is shutting down' });
    expect([pair.dialer.takesStreams, pair.dialer.isLeaving, pair.acceptor.isLeaving]).toEqual([
      false,
      true,
      true,
    ]);
    one.say(50_000);
    other.say(70_000);
    await pair.settle();
    expect([other.heard, one.heard]).toEqual([50_000, 70_000]);
    expect(pair.ends).toEqual({});
    one.finish();
    other.finish();
    await pair.settle();
    expect([one.end, other.end]).toEqual([{ clean: true }, { clean: true }]);
    expect([pair.dialer.isClosed, pair.acceptor.isClosed]).toEqual([true, true]);
  },
);

test('a stream that was on its way when the acceptor left is refused with the reason', async () => {
  pair.acceptor.goAway('draining', 'this pod is shutting down');
  const near = pair.dialer.open({ port: 80 });
  const refused = expect(near.consent()).rejects.toMatchObject({ reason: 'draining' });
  await pair.settle();
  await refused;
  expect(pair.arrived).toEqual([]);
});

test('an acceptor that leaves waits for the dialer to close, but not for ever', async () => {
  pair.acceptor.goAway('draining', 'this pod is shutting down');
  await pair.clock.advance(4_900);
  expect(pair.acceptor.isClosed).toBe(false);
  await pair.clock.advance(200);
  expect(pair.acceptor.isClosed).toBe(true);
});

test('a tunnel that is closed tells the peer why, and ends its streams', async () => {
  const [near, far] = await pair.stream();
  const one = new StreamEnd(near, 1, 2);
  const other = new StreamEnd(far, 2, 1);
  near.carry(one);
  far.carry(other);
  pair.acceptor.close('untrusted-certificate', 'the root is trusted no longer');
  pair.acceptor.close('idle', 'a second time');
  expect(other.end).toMatchObject({ clean: false });
  await pair.settle();
  expect(pair.goAways.dialer).toEqual({
    reason: 'untrusted-certificate',
    text: 'the root is trusted no longer',
  });
  expect(pair.ends.acceptor).toEqual({
    reason: 'untrusted-certificate',
    text: 'the root is trusted no longer',
  });
  expect(one.end).toMatchObject({ clean: false, why: { reason: 'tunnel-lost' } });
});

test('streams of a lost tunnel end as lost, never as refused by the peer: what it did with them nobody knows', async () => {
  const waiting = pair.dialer.open({ port: 80 });
  const asked = expect(waiting.consent()).rejects.toMatchObject({ reason: 'tunnel-lost' });
  pair.dialer.close('untrusted-certificate', 'the root is trusted no longer');
  await asked;
});

test('a peer that takes nothing does not keep a closed tunnel', async () => {
  await pair.stream();
  pair.acceptor.close('denied', 'no');
  await turn();
  expect(pair.wires[1].isClosed).toBe(false);
  await pair.clock.advance(1_000);
  await turn();
  expect(pair.wires[1].isClosed).toBe(true);
});

test('what the peer said last is told when the connection then goes', async () => {
  await pair.stream();
  pair.acceptor.close('protocol-error', 'far more frames without work than work');
  await pair.settle();
  expect(pair.ends.dialer!.reason).toBe('tunnel-lost');
  expect(pair.ends.dialer!.text).toContain('far more frames without work than work');
  pair.dialer.close('idle', 'too late');
});
