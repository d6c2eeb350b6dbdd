import { DB, FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { FakeClient } from '../../testing/app.fake.ts';

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start();
});
afterEach(() => mesh.stop());

test('an open connection outlives new certificates on both sides', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  mesh.db.identity.set({ svid: await mesh.pki.svid(DB) });
  mesh.web.identity.set({ svid: await mesh.pki.svid(WEB) });
  expect((await client.exchange('hello')).toString()).toBe('hello');
});

test('new connections use the new certificate', async () => {
  const brief = await mesh.pki.svid({ namespace: 'shop', service: 'renamed' });
  mesh.web.identity.set({ svid: brief });
  await (await mesh.connect()).exchange('hello');
  expect(mesh.db.metrics.opened).toMatchObject([{ peer: brief.spiffeId }]);
});

test('reload under load: certificates change all the time and no connection is lost', async () => {
  let running = true;
  let served = 0;
  const failures: unknown[] = [];
  const worker = async () => {
    while (running) {
      try {
        const client = await FakeClient.connect(mesh.upstreamPort);
        expect((await client.exchange('hello')).toString()).toBe('hello');
        client.close();
        served += 1;
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const workers = Array.from({ length: 4 }, worker);
  for (let index = 0; index < 15; index++) {
    mesh.db.identity.set({ svid: await mesh.pki.svid(DB) });
    mesh.web.identity.set({ svid: await mesh.pki.svid(WEB) });
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  running = false;
  await Promise.all(workers);
  expect(failures).toEqual([]);
  expect(served).toBeGreaterThan(15);
  expect([...mesh.db.metrics.refused, ...mesh.web.metrics.refused]).toEqual([]);
}, 60_000);

test('after a swap TLS 1.3 is still demanded and no session is resumed', async () => {
  await (await mesh.connect()).exchange('hello');
  mesh.db.identity.set({ svid: await mesh.pki.svid(DB) });
  await (await mesh.connect()).exchange('hello');
  expect(mesh.db.metrics.refused).toEqual([]);
});
