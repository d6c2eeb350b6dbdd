import { namespaceName, serviceName } from '#core/names.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys } from '#pki/keys.ts';

import { FakeOperator } from './fake-operator.fake.ts';
import { signingClient } from './signing-client.ts';

const web = { namespace: namespaceName('shop'), service: serviceName('web') };
const NAME = 'mesh-operator.mesh.svc';

let operator: FakeOperator;
beforeEach(async () => {
  operator = await FakeOperator.start(web);
});
afterEach(() => operator.stop());

const ask = async (more: { serverName?: string; localAddress?: string }): Promise<unknown> => {
  const readToken = () => Promise.resolve('token');
  const sign = signingClient({ url: operator.url, readToken, ...more });
  return sign({
    csr: createCsr(await generateKeys()),
    service: 'web',
    roots: operator.pki.bundle.rootsOfAllDomains,
  });
};

test('an operator that is reached under one name proves another, where that is asked, and hears nothing when it cannot', async () => {
  await expect(ask({ serverName: NAME })).rejects.toThrow(
    /cannot be reached \(ERR_TLS_CERT_ALTNAME_INVALID\)/,
  );
  expect(operator.requests).toEqual([]);
  await operator.stop();
  await operator.listen([NAME]);
  await expect(ask({})).rejects.toThrow(/ERR_TLS_CERT_ALTNAME_INVALID/);
  expect(await ask({ serverName: NAME })).toHaveProperty('certificate');
});

test('it is asked from the address of the machine that is given', async () => {
  await expect(ask({ localAddress: '203.0.113.7' })).rejects.toThrow(/EADDRNOTAVAIL|EINVAL/);
});
