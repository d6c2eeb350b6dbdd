import { FakeClock } from '#base/testing/clock.fake.ts';

import { DB, FakeMesh } from '../../testing/data-plane.fake.ts';
import { FakeMetrics } from '../../testing/metrics.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { DEFAULT_SETTINGS } from '../interfaces/settings.ts';
import { ALPN_STREAM } from '../transport/alpn.ts';
import type { PeerDialer } from '../transport/peer-dialer.ts';
import { TunnelPool } from './tunnel-pool.ts';
import { MemoryBudget } from '../memory/memory-budget.ts';

/** Peers of which one side does not speak `mesh/1`: each connection has a TLS connection of its own. */

let mesh: FakeMesh | undefined;
afterEach(async () => {
  await mesh?.stop();
  mesh = undefined;
});

/** A mesh in which one side does not speak tunnels. */
async function half(side: 'web' | 'db'): Promise<FakeMesh> {
  const made = await FakeMesh.start({ pods: 0, settings: { tunnel: side === 'db' } });
  mesh = made;
  await made.addPod({ inbound: { settings: { ...made.settings, tunnel: side === 'web' } } });
  return made;
}

test.each(['web', 'db'] as const)(
  'where %s speaks no tunnels, connections are served all the same',
  async (side) => {
    const { web, db, connect } = await half(side).then((made) => ({
      web: made.web,
      db: made.db,
      connect: () => made.connect(),
    }));
    const first = await Promise.all(Array.from({ length: 5 }, connect));
    for (const client of first) expect((await client.exchange('hello')).toString()).toBe('hello');
    for (let index = 0; index < 5; index++)
      expect((await (await connect()).exchange('hello')).toString()).toBe('hello');
    expect(web.metrics.tunnelsOpened + db.metrics.tunnelsOpened).toBe(0);
    // The connection that told so carries one of them; none is made in vain.
    expect([web.metrics.handshakes, db.metrics.handshakes]).toEqual([10, 10]);
    expect(db.inbound.accepted).toBe(10);
  },
);

test.each(['web', 'db'] as const)(
  'where %s speaks no tunnels, a denied client still finds the reason',
  async (side) => {
    const { policy, connect, log } = await half(side).then((made) => ({
      policy: made.policy,
      log: made.web.log,
      connect: () => made.connect(),
    }));
    policy.deny();
    expect(await (await connect()).ended()).toBe('reset');
    expect(log.lines).toContainEqual(
      expect.objectContaining({
        message: 'connection refused',
        fields: expect.objectContaining({ decision: 'no intention matches and the default is deny' }),
      }),
    );
  },
);

test('a peer that spoke no tunnels is trusted for a minute, and a pool of nothing is given up', async () => {
  const clock = new FakeClock();
  const sockets: { destroyed: boolean; destroy(): void }[] = [];
  const dialer = {
    dial: () => {
      const raw = { destroyed: false, connecting: false, destroy: () => void (raw.destroyed = true) };
      sockets.push(raw);
      return Promise.resolve({ raw, alpn: ALPN_STREAM, version: 1 });
    },
  } as unknown as PeerDialer;
  let empty = 0;
  const pool = new TunnelPool(
    {
      address: '10.0.0.1',
      expect: `spiffe://cluster.local/ns/${DB.namespace}/dc/dc1/svc/${DB.service}` as never,
    },
    {
      dialer,
      clock,
      metrics: new FakeMetrics(),
      settings: DEFAULT_SETTINGS,
      memory: new MemoryBudget(1_048_576, clock),
    },
    () => (empty += 1),
  );
  expect(pool.isSingleStream).toBe(false);
  await pool.dial(new AbortController().signal);
  expect(pool.isSingleStream).toBe(true);
  // Nobody took the connection.
  await eventually(() => sockets[0]!.destroyed);
  await clock.advance(59_000);
  expect([pool.isSingleStream, empty]).toEqual([true, 0]);
  await clock.advance(1_000);
  expect([pool.isSingleStream, empty]).toEqual([false, 1]);
  await pool.dial(new AbortController().signal);
  pool.close();
  expect(clock.pendingTimers).toBe(0);
});
