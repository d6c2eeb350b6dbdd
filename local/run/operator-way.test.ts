import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';

import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { operatorWay, ownAddress } from './operator-way.ts';

let pki: TestPki;
let operator: Server;
let url: string;
let answer: string;

beforeAll(async () => {
  pki = await TestPki.create();
  const { certChainPem: cert, keyPem: key } = await pki.serving(['mesh-operator.mesh.svc']);
  operator = createServer({ cert, key, minVersion: 'TLSv1.3' }, (_request, response) => response.end(answer));
  await new Promise<void>((resolve) => operator.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(operator.address() as AddressInfo).port}`;
});
beforeEach(() => {
  answer = '{"address":"127.0.0.1"}';
});
afterAll(() => operator.close());

const ask = (wanted?: string, namespace = 'mesh', roots = [pki.rootPem]) =>
  ownAddress(operatorWay(url, namespace), roots, wanted);

test('the address of this machine is the one that the operator sees', async () => {
  expect(await ask()).toBe('127.0.0.1');
  expect(await ask('127.0.0.1')).toBe('127.0.0.1');
});

test('network address translation in between is told', async () => {
  answer = '{"address":"203.0.113.66"}';
  await expect(ask()).rejects.toThrow(
    /sees this machine as 203.0.113.66, which is none of its addresses \(.*127.0.0.1.*NAT/,
  );
  await expect(ask('127.0.0.1')).rejects.toThrow(/which is not 127.0.0.1: .*NAT/);
});

test('an address that this machine has not is told', async () => {
  await expect(ask('203.0.113.66')).rejects.toThrow(/203.0.113.66 is not an address of this machine/);
});

test('who cannot prove to be the operator of this mesh is not trusted, whatever address it has', async () => {
  const foreign = await TestPki.create();
  await expect(ask(undefined, 'mesh', [foreign.rootPem])).rejects.toThrow(
    /cannot be reached from here at https/,
  );
  await expect(ask(undefined, 'other')).rejects.toThrow(/cannot be reached .*ERR_TLS_CERT_ALTNAME_INVALID/);
});

test('something that is not an operator, and nothing at all, are told', async () => {
  answer = '{"hello":1}';
  await expect(ask()).rejects.toThrow(/is not an operator of this version of mesh/);
  const nobody = operatorWay('https://127.0.0.1:1', 'mesh');
  await expect(ownAddress(nobody, [pki.rootPem], undefined)).rejects.toThrow(
    /cannot be reached from here at https:\/\/127.0.0.1:1 \(ECONNREFUSED\).*outside.operatorAddress/,
  );
});

test('an answer that goes on and on is not read to its end', async () => {
  answer = `{"address":"127.0.0.1"}${' '.repeat(1_000_000)}`;
  await expect(ask()).rejects.toThrow(/its answer is longer than 4096 bytes/);
});
