import { PORTS } from '#core/constants.ts';

import { FakeApp } from '../../testing/app.fake.ts';
import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

let mesh: FakeMesh;
let elsewhere: FakeApp;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { resolveMs: 500 } });
  elsewhere = await new FakeApp().start('127.0.8.8');
  mesh.onStop(() => elsewhere.stop());
});
afterEach(() => mesh.stop());

test('a destination outside the mesh is passed through untouched, and counted', async () => {
  const client = await mesh.dial('127.0.8.8', elsewhere.port);
  expect((await client.exchange('hello')).toString()).toBe('hello');
  expect(mesh.web.metrics.opened).toEqual([{ direction: 'outbound', security: 'passthrough', peer: '' }]);
});

test('half-close works there too', async () => {
  elsewhere.onConnection((socket) => {
    socket.resume();
    socket.on('end', () => socket.end('bye'));
  });
  const client = await mesh.dial('127.0.8.8', elsewhere.port);
  client.socket.end('question');
  expect(await client.ended()).toBe('end');
  expect(client.text).toBe('bye');
});

test('an outside server that does not listen resets the client', async () => {
  const client = await mesh.dial('127.0.8.9', 9);
  expect(await client.ended()).toBe('reset');
  expect(mesh.web.metrics.refused).toEqual(['unreachable']);
});

test('a destination that cannot be told is refused, not sent out in the clear', async () => {
  mesh.resolver.otherwise = { kind: 'unknown', reason: 'the catalogue has not been read yet' };
  const client = await mesh.dial('127.0.8.8', elsewhere.port);
  expect(await client.ended()).toBe('reset');
  expect(elsewhere.seen).toBe(0);
  expect(mesh.web.log.lines.at(-1)?.fields).toMatchObject({
    reason: 'unknown-destination',
    decision: `127.0.8.8:${elsewhere.port}: the catalogue has not been read yet`,
  });
});

test('a resolver that does not answer is not waited for without end, and its late answer is given back', async () => {
  let answer: () => void = () => undefined;
  const resolver = mesh.resolver;
  const late = resolver.resolve.bind(resolver);
  resolver.resolve = async (address, port) => {
    await new Promise<void>((resolve) => (answer = resolve));
    return late(address, port);
  };
  const client = await mesh.dial('10.0.0.1', 5432);
  expect(await client.ended()).toBe('reset');
  answer();
  await eventually(() => mesh.target.held === 0);
});

test('a connection made to the outbound port itself is refused as a loop', async () => {
  const client = await mesh.dial('127.0.0.1', mesh.outbound.port);
  expect(await client.ended()).toBe('reset');
  expect(mesh.web.metrics.refused).toEqual(['loop']);
});

test.each(Object.values(PORTS))(
  'a redirected connection to port %i of this pod is refused as a loop',
  async (port) => {
    const client = await mesh.dial('127.0.0.1', port);
    expect(await client.ended()).toBe('reset');
    expect(mesh.web.metrics.refused).toEqual(['loop']);
  },
);

test('when the kernel does not know the destination the connection is refused', async () => {
  mesh.web.originalDestination.unknown = true;
  const client = await mesh.dial('127.0.8.8', 1);
  expect(await client.ended()).toBe('reset');
  expect(mesh.web.metrics.refused).toEqual(['unknown-destination']);
});

test('upstream ports come and go while open connections stay', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  await mesh.outbound.setUpstreams([]);
  await expect(mesh.connect()).rejects.toThrow();
  expect((await client.exchange('still here')).toString()).toBe('still here');
  await mesh.outbound.setUpstreams([{ localPort: 0, service: mesh.target.service }]);
  await (await mesh.connect()).exchange('hello');
});

test('an upstream port that is taken is an error in the log, and the others are opened', async () => {
  const taken = await new FakeApp().start();
  mesh.onStop(() => taken.stop());
  const { service } = mesh.target;
  await mesh.outbound.setUpstreams([
    { localPort: taken.port, service },
    { localPort: 0, service },
  ]);
  await (await mesh.connect()).exchange('hello');
  const errors = mesh.web.log.lines.filter(({ level }) => level === 'error');
  expect(errors).toMatchObject([{ fields: { localPort: taken.port, upstream: 'shop/db' } }]);
});
