import type { Service } from '#kube/types.ts';

import { serviceOf } from './resources.ts';
import { serviceFault } from './service-check.ts';

const web = { namespace: 'shop', service: 'web', pod: 'web-1', address: '10.0.0.9', port: 8080 };
const service = (spec: object): Service => ({ metadata: { name: 'web', namespace: 'shop' }, spec });

test('the Service that mesh run makes takes a process at any port', () => {
  expect(serviceFault(serviceOf(web) as Service, { ...web, port: 9999 })).toBeUndefined();
});

test('a Service with pods of the cluster takes processes at a port that it leads to', () => {
  const ports = [{ port: 80, targetPort: 8080 }, { port: 9090 }];
  const there = service({ selector: { app: 'web' }, ports });
  expect(serviceFault(there, web)).toBeUndefined();
  expect(serviceFault(there, { ...web, port: 9090 })).toBeUndefined();
  expect(serviceFault(there, { ...web, port: 80 })).toMatch(
    /Service shop\/web is there already and leads to port 8080, 9090, not to 80; let the process listen there/,
  );
  expect(
    serviceFault(service({ selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] }), web),
  ).toMatch(/leads to port http, not to 8080/);
});

test('a Service that leads elsewhere than to pods is left alone', () => {
  expect(serviceFault(service({ ports: [{ port: 8080 }] }), web)).toMatch(/leads to no pods/);
  expect(serviceFault(service({ type: 'ExternalName', externalName: 'x.example' }), web)).toMatch(/no pods/);
});

test('a process that takes no connections asks nothing of it', () => {
  expect(serviceFault(service({ ports: [] }), { ...web, port: undefined })).toBeUndefined();
});
