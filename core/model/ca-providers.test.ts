import { readProviderSettings } from './ca-providers.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMAMBAf8=\n-----END CERTIFICATE-----\n';
const VAULT = { address: 'https://vault.test:8200', intermediatePath: 'mesh', caCertificate: PEM };
const STEP = { address: 'https://ca.test', provisioner: 'mesh@example.com' };

/** `field: message` of every fault. */
function faults(provider: string | undefined, config?: Record<string, string>): readonly string[] {
  const read = readProviderSettings({ provider, config });
  return read.ok ? [] : read.faults.map(({ field, message }) => `${field}: ${message}`);
}

describe('the settings of a certificate authority', () => {
  test('are those of the builtin one when nothing is said', () => {
    for (const ca of [undefined, {}, { provider: 'builtin' }, { provider: 'builtin', config: {} }])
      expect(readProviderSettings(ca)).toEqual({ ok: true, settings: { provider: 'builtin' } });
  });

  test('of Vault are filled in where they are left open', () => {
    expect(readProviderSettings({ provider: 'vault', config: VAULT })).toEqual({
      ok: true,
      settings: {
        provider: 'vault',
        address: 'https://vault.test:8200',
        caCertificate: PEM,
        tlsServerName: undefined,
        namespace: undefined,
        auth: 'kubernetes',
        authPath: 'kubernetes',
        role: 'mesh-operator',
        intermediatePath: 'mesh',
        rootPath: undefined,
        intermediateTtlMs: 8760 * 3600_000,
      },
    });
    const bent = {
      ...VAULT,
      auth: 'approle',
      intermediateTTL: '48h',
      rootPath: 'a/b-c',
      namespace: 'team/x',
    };
    expect(readProviderSettings({ provider: 'vault', config: bent })).toMatchObject({
      settings: {
        auth: 'approle',
        authPath: 'approle',
        intermediateTtlMs: 48 * 3600_000,
        rootPath: 'a/b-c',
        namespace: 'team/x',
      },
    });
  });

  test('of step-ca need an address and a provisioner', () => {
    expect(readProviderSettings({ provider: 'step-ca', config: STEP })).toEqual({
      ok: true,
      settings: {
        provider: 'step-ca',
        address: 'https://ca.test',
        caCertificate: undefined,
        tlsServerName: undefined,
        provisioner: 'mesh@example.com',
      },
    });
    expect(faults('step-ca')).toEqual([
      'spec.ca.config.address: is missing, and "step-ca" needs it',
      'spec.ca.config.provisioner: is missing, and "step-ca" needs it',
    ]);
  });

  test('name a provider that there is', () => {
    expect(faults('aws-pca')).toEqual([
      'spec.ca.provider: "aws-pca" is not known; write "builtin", "vault" or "step-ca"',
    ]);
  });

  test('tell everything that is wrong at once', () => {
    const told = faults('vault', {
      address: 'http://vault.test',
      caCertificate: 'rubbish',
      auth: 'ldap',
      rootpath: 'root',
      role: '/x/',
      intermediateTTL: '1h',
    });
    expect(told.map((line) => line.replace(/:.*/, '')).sort()).toEqual(
      ['address', 'auth', 'caCertificate', 'intermediatePath', 'intermediateTTL', 'role', 'rootpath'].map(
        (key) => `spec.ca.config.${key}`,
      ),
    );
    expect(told).toContain('spec.ca.config.rootpath: is not a setting of "vault"; did you mean "rootPath"?');
  });

  test.each([
    ['http://vault.test', 'write https://'],
    ['vault.test:8200', 'write https://'],
    ['vault', 'is not a URL'],
    ['https://user:hunter22@vault.test', 'holds a user name or password'],
    ['https://vault.test/v1', 'has something after host and port'],
    ['https://vault.test?token=hunter22', 'has something after host and port'],
  ])('do not take %s as an address, and repeat no password', (address, message) => {
    const [told = '', ...more] = faults('vault', { ...VAULT, address });
    expect(more).toEqual([]);
    expect(told).toContain(message);
    expect(told).not.toContain('hunter22');
  });

  test.each(['token', 'secret-id', 'secretId', 'roleId', 'password', 'provisionerKey', 'VAULT_TOKEN'])(
    'have no place for a credential such as %s, and do not repeat it',
    (key) => {
      const [told = ''] = faults('vault', { ...VAULT, [key]: 'hvs.very-secret' });
      expect(told).toContain('Secret mesh-ca-vault');
      expect(told).not.toContain('very-secret');
    },
  );

  test('never repeat a value, which may be a credential in the wrong place', () => {
    const keys = ['address', 'caCertificate', 'tlsServerName', 'namespace', 'auth', 'authPath', 'role'];
    const wrong = [...keys, 'intermediatePath', 'rootPath', 'intermediateTTL', 'nonsense'];
    const told = faults('vault', Object.fromEntries(wrong.map((key) => [key, 'hvs.very secret'])));
    // And one more: both paths are the same.
    expect(told).toHaveLength(wrong.length + 1);
    expect(told.join()).not.toContain('very secret');
    expect(faults('step-ca', { ...STEP, provisioner: 'very secret' }).join()).not.toContain('very secret');
  });

  test('keep root and intermediate apart', () => {
    expect(faults('vault', { ...VAULT, rootPath: 'mesh' })).toEqual([
      'spec.ca.config.rootPath: is the intermediatePath too; root and intermediate need mounts of their own',
    ]);
  });

  test('take no key of every object’s own for a setting', () => {
    expect(faults('vault', { ...VAULT, constructor: 'x' })).toHaveLength(1);
    expect(faults('builtin', { anything: 'x' })).toEqual([
      'spec.ca.config.anything: is not a setting of "builtin", which has none; remove it',
    ]);
  });
});
