import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { FakeClient } from '../../testing/app.fake.ts';

let mesh: FakeMesh;
afterEach(() => mesh.stop());

test('while draining, new connections are taken for the minimum time', async () => {
  mesh = await FakeMesh.start();
  void mesh.db.inbound.stop({ minimumMs: 1_500, deadlineMs: 20_000 });
  const client = await mesh.connect();
  expect((await client.exchange('hello')).toString()).toBe('hello');
});

test('after that they are not, and open ones finish', async () => {
  mesh = await FakeMesh.start({ settings: { dialAttempts: 1 } });
  const client = await mesh.connect();
  await client.exchange('hello');
  const stopped = mesh.db.inbound.stop({ minimumMs: 0, deadlineMs: 20_000 });
  await pause(50);
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect((await client.exchange('still here')).toString()).toBe('still here');
  client.socket.end();
  await client.ended();
  await stopped;
});

test('what is open at the deadline is reset', async () => {
  mesh = await FakeMesh.start();
  const client = await mesh.connect();
  await client.exchange('hello');
  await mesh.db.inbound.stop({ minimumMs: 0, deadlineMs: 200 });
  expect(await client.ended()).toBe('reset');
  expect(mesh.db.metrics.cut).toEqual(['draining']);
});

test('stopping twice is stopping once', async () => {
  mesh = await FakeMesh.start();
  await Promise.all([
    mesh.db.inbound.stop(),
    mesh.db.inbound.stop({ minimumMs: 99_999, deadlineMs: 99_999 }),
  ]);
  await Promise.all([mesh.outbound.stop(), mesh.outbound.stop()]);
});

test('drain under load: one of two pods leaves and no request is lost', async () => {
  mesh = await FakeMesh.start({ pods: 2 });
  let running = true;
  let served = 0;
  const failures: string[] = [];
  const worker = async () => {
    while (running) {
      const client = await FakeClient.connect(mesh.upstreamPort);
      const answer = await client.exchange('hello');
      if (answer.toString() === 'hello') served += 1;
      else failures.push(client.ending);
      client.close();
    }
  };
  const workers = Array.from({ length: 4 }, worker);
  await eventually(() => served > 20);
  const [leaving, staying] = mesh.pods;
  const stopped = leaving!.inbound.stop({ minimumMs: 300, deadlineMs: 20_000 });
  await pause(150);
  mesh.target.set([{ address: staying!.address, port: staying!.app.port }]);
  await stopped;
  const before = served;
  await eventually(() => served > before + 20);
  running = false;
  await Promise.all(workers);
  expect(failures).toEqual([]);
}, 60_000);

test('the client side drains too', async () => {
  mesh = await FakeMesh.start();
  const client = await mesh.connect();
  await client.exchange('hello');
  const stopped = mesh.outbound.stop({ minimumMs: 0, deadlineMs: 20_000 });
  await pause(50);
  await expect(mesh.connect()).rejects.toThrow();
  expect((await client.exchange('still here')).toString()).toBe('still here');
  client.socket.end();
  await stopped;
});
