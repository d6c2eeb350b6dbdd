import { Zone, type Service, type Slice } from './zone.ts';

const http = { name: 'http', port: 80, protocol: 'TCP' };
const web: Service = { name: 'web', namespace: 'shop', clusterIps: ['10.0.0.1', 'fd00::1'], ports: [http] };
const db: Service = { name: 'db', namespace: 'shop', clusterIps: [], ports: [] };
const dbPods: Slice = {
  name: 'db',
  namespace: 'shop',
  addresses: [{ ip: '10.1.0.1', hostname: 'db-0' }, { ip: '10.1.0.2' }],
  ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
};

function zone(): Zone {
  const made = new Zone('cluster.local');
  made.setServices([web, db, { ...web, name: 'elsewhere', externalName: 'example.org' }]);
  const more: Slice = { ...dbPods, addresses: [{ ip: 'fd00::7', hostname: 'db-0' }] };
  made.setSlices([dbPods, more]);
  return made;
}

const data = (name: string, type = 'A'): unknown[] =>
  zone()
    .answer(name, type)
    .records.map((record) => record.data);
const exists = (name: string, type = 'A'): boolean => zone().answer(name, type).exists;

test('a Service has its cluster address, in any case and with a dot at its end', () => {
  expect(data('web.shop.svc.cluster.local')).toEqual(['10.0.0.1']);
  expect(data('WEB.shop.SVC.cluster.local.')).toEqual(['10.0.0.1']);
});

test('a headless Service has the addresses of its pods', () => {
  expect(data('db.shop.svc.cluster.local')).toEqual(['10.1.0.1', '10.1.0.2']);
});

test('a pod of a headless Service is found by its host name, or by its address when it has none', () => {
  expect(data('db-0.db.shop.svc.cluster.local')).toEqual(['10.1.0.1']);
  expect(data('10-1-0-2.db.shop.svc.cluster.local')).toEqual(['10.1.0.2']);
  expect(exists('db-7.db.shop.svc.cluster.local')).toBe(false);
});

test('IPv6 addresses are had by asking for them', () => {
  expect(data('web.shop.svc.cluster.local', 'AAAA')).toEqual(['fd00::1']);
  expect(data('db.shop.svc.cluster.local', 'AAAA')).toEqual(['fd00::7']);
  expect(data('db-0.db.shop.svc.cluster.local', 'AAAA')).toEqual(['fd00::7']);
});

test('SRV records name the port and the target', () => {
  const target = 'web.shop.svc.cluster.local';
  expect(data(`_http._tcp.${target}`, 'SRV')).toEqual([{ priority: 0, weight: 100, port: 80, target }]);
  expect(data('_sql._tcp.db.shop.svc.cluster.local', 'SRV')).toEqual([
    { priority: 0, weight: 100, port: 5432, target: 'db-0.db.shop.svc.cluster.local' },
    { priority: 0, weight: 100, port: 5432, target: '10-1-0-2.db.shop.svc.cluster.local' },
  ]);
  expect(exists('_smtp._tcp.web.shop.svc.cluster.local', 'SRV')).toBe(false);
});

test('a name that exists has an empty answer for types it lacks, so that clients do not take it for missing', () => {
  expect(zone().answer('web.shop.svc.cluster.local', 'MX')).toEqual({ exists: true, records: [] });
  expect(exists('shop.svc.cluster.local')).toBe(true);
  expect(exists('cluster.local')).toBe(true);
});

test('a Service for another name answers with that name', () => {
  expect(data('elsewhere.shop.svc.cluster.local')).toEqual(['example.org']);
});

test.each([
  'nobody.shop.svc.cluster.local',
  'web.nowhere.svc.cluster.local',
  'example.org',
  'local.example',
  'x.web.shop.svc.cluster.local',
])('%s does not exist', (name) => expect(exists(name)).toBe(false));

test('a new list replaces the old one', () => {
  const made = zone();
  made.setServices([web]);
  expect(made.answer('db.shop.svc.cluster.local', 'A').exists).toBe(false);
});
