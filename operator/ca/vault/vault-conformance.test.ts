import type { VaultSettings } from '#core/model/ca-providers.ts';

import { docsBlocks } from '../docs.fake.ts';
import { skipReason, VAULT } from '../go-programs.fake.ts';
import { describeProvider } from '../provider-conformance.suite.ts';
import type { ProviderHarness } from '../provider-conformance.suite.ts';
import { VaultProviders } from './vault-harness.fake.ts';
import { VaultServer } from './vault-server.fake.ts';

/** The policies that users are told to write. */
const [OWN_MOUNTS = '', EXISTING_INTERMEDIATE = ''] = docsBlocks('hcl');

function harness(
  server: VaultServer,
  settings: VaultSettings,
  secret: Readonly<Record<string, string>>,
): ProviderHarness {
  const providers = new VaultProviders(secret);
  return {
    provider: () => providers.provider(settings),
    crossSigns: settings.rootPath !== undefined,
    outage: () => server.seal(),
    recover: () => server.unseal(),
    secrets: () => [...Object.values(secret), server.rootToken],
    logged: () => JSON.stringify(providers.log.lines),
    close: () => server.remove(),
  };
}

const reason = skipReason(VAULT);
if (reason) {
  test.skip(`Vault as a certificate authority: ${reason}`, () => undefined);
} else {
  describeProvider('Vault, with mounts, root and roles that it is told to make,', async () => {
    const server = await VaultServer.start();
    const { roleId, secretId } = await server.appRole(OWN_MOUNTS);
    const settings = server.settings({ auth: 'approle', authPath: 'approle' });
    return harness(server, settings, { 'role-id': roleId, 'secret-id': secretId });
  });

  describeProvider('Vault, with an intermediate of somebody else’s root,', async () => {
    const server = await VaultServer.start();
    await server.foreignIntermediate('mesh-intermediate');
    const token = await server.tokenWith(EXISTING_INTERMEDIATE, { ttl: '1h', renewable: true });
    return harness(server, server.settings({ rootPath: undefined }), { token });
  });
}
