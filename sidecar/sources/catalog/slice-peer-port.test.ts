import { compactSlice } from './slice.ts';

const slice = (ports: object[]) =>
  compactSlice({ metadata: { name: 'a', namespace: 'shop' }, addressType: 'IPv4', endpoints: [], ports });

test('a slice may say at which port the sidecars there are', () => {
  expect(
    slice([
      { name: 'main', port: 8080 },
      { name: 'mesh-sidecar', port: 40_001 },
    ]).peerPort,
  ).toBe(40_001);
});

test('in pods they are at the usual one', () => {
  expect(slice([{ name: 'main', port: 8080 }])).not.toHaveProperty('peerPort');
});
