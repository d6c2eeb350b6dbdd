import { VaultError } from './vault-client.ts';

test.each<[string, VaultError, boolean]>([
  ['sealed', new VaultError(503, 'Vault refuses x: status 503'), true],
  ['busy', new VaultError(429, 'Vault refuses x: status 429'), true],
  ['a standby that is behind', new VaultError(412, 'Vault refuses x: status 412'), true],
  [
    'not done with a mount that is new',
    new VaultError(400, 'Vault refuses x: status 400, "Can not list issuers until migration has completed"'),
    true,
  ],
  ['of another opinion', new VaultError(400, 'Vault refuses x: status 400, "unknown role"'), false],
  ['refusing', new VaultError(403, 'Vault refuses x: status 403'), false],
])('a Vault that is %s is asked again where that helps', (_what, error, isTransient) => {
  expect(error.transient).toBe(isTransient);
});
