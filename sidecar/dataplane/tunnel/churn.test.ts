import { FakeClient } from '../../testing/app.fake.ts';
import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { heldMegabytes } from '../../testing/memory.fake.ts';

/** MESH_CHURN=100000 for the long run. */
const STREAMS = Number(process.env['MESH_CHURN'] ?? 4_000);

test(`${STREAMS} connections, one after the other in one tunnel, leave nothing`, async () => {
  const mesh = await FakeMesh.start();
  let served = 0;
  let wrong = 0;
  const churn = async (count: number) => {
    let begun = 0;
    const worker = async () => {
      while (begun < count) {
        const index = (begun += 1);
        const client = await FakeClient.connect(mesh.upstreamPort);
        const answer = await client.exchange(`hello ${index}`);
        if (answer.toString() === `hello ${index}`) served += 1;
        else wrong += 1;
        // A proper end of each would leave the system without ports in the long run.
        if (index % 20 === 0) client.socket.end();
        else client.socket.resetAndDestroy();
        if (index % 20 === 0) await client.ended();
        client.close();
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    await eventually(() => mesh.outbound.accepted === 0 && mesh.db.inbound.open === 0);
    mesh.db.app.sockets.length = 0;
    // What the fakes remember is no part of the sidecars.
    for (const { metrics, log } of [mesh.web, mesh.db]) {
      metrics.opened.length = 0;
      metrics.closed.length = 0;
      log.lines.length = 0;
    }
  };
  await churn(500);
  const before = await heldMegabytes();
  const resources = process.getActiveResourcesInfo().length;
  await churn(STREAMS);
  expect([served, wrong]).toEqual([STREAMS + 500, 0]);
  expect([mesh.web.metrics.handshakes, mesh.db.metrics.handshakes]).toEqual([1, 1]);
  expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(resources + 2);
  expect((await heldMegabytes()) - before).toBeLessThan(6);
  expect([...mesh.web.metrics.refused, ...mesh.db.metrics.refused]).toEqual([]);
  await mesh.stop();
}, 3_600_000);
