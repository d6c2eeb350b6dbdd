import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Resolver } from 'node:dns/promises';
import dnsPacket from 'dns-packet';
import { serveDns } from './server.ts';
import { Zone } from './zone.ts';

let server: Awaited<ReturnType<typeof serveDns>>;
let resolver: Resolver;

beforeAll(async () => {
  const zone = new Zone('cluster.local');
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  zone.setServices([
    { name: 'web', namespace: 'shop', clusterIps: ['10.0.0.1'], ports },
    { name: 'many', namespace: 'shop', clusterIps: [], ports: [] },
  ]);
  const addresses = Array.from({ length: 100 }, (_, index) => ({ ip: `10.1.0.${index}` }));
  zone.setSlices([{ name: 'many', namespace: 'shop', addresses, ports: [] }]);
  server = await serveDns(zone, '127.0.0.1', 0);
  resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
});

afterAll(() => server.close());

test('answers over UDP', async () => {
  expect(await resolver.resolve4('web.shop.svc.cluster.local')).toEqual(['10.0.0.1']);
  expect(await resolver.resolveSrv('_http._tcp.web.shop.svc.cluster.local')).toEqual([
    { priority: 0, weight: 100, port: 80, name: 'web.shop.svc.cluster.local' },
  ]);
});

test('an answer too large for UDP is had over TCP', async () => {
  expect(await resolver.resolve4('many.shop.svc.cluster.local')).toHaveLength(100);
});

test('says that a name does not exist', async () => {
  await expect(resolver.resolve4('nobody.shop.svc.cluster.local')).rejects.toMatchObject({
    code: 'ENOTFOUND',
  });
});

test('keeps answering after garbage', async () => {
  const socket = createSocket('udp4');
  socket.send(Buffer.from('garbage'), server.port, '127.0.0.1');
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.close();
  expect(await resolver.resolve4('web.shop.svc.cluster.local')).toEqual(['10.0.0.1']);
});

test('takes several questions on one TCP connection, in pieces', async () => {
  const questions = [{ name: 'web.shop.svc.cluster.local', type: 'A' }];
  const query = dnsPacket.encode({ type: 'query', id: 7, flags: 0, questions });
  const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
  const socket = connect(server.port, '127.0.0.1');
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => (received = Buffer.concat([received, chunk])));
  socket.write(framed.subarray(0, 5));
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.write(Buffer.concat([framed.subarray(5), framed]));
  const size = (): number => 2 + (received.length < 2 ? 65_536 : received.readUInt16BE(0));
  while (received.length < 2 * size()) await once(socket, 'data');
  socket.destroy();
  expect(dnsPacket.decode(received.subarray(2, size())).answers[0]?.data).toBe('10.0.0.1');
});
