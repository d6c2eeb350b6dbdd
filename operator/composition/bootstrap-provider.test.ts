import type { MeshConfigSpec } from '#core/model/mesh-config.ts';
import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { readCertificates } from '#pki/pem.ts';
import { sha256Hex } from '#pki/keys.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { startAuthority } from './bootstrap.ts';
import type { StartedAuthority } from './bootstrap.ts';
import { docsBlocks } from '../ca/docs.fake.ts';
import { skipReason, STEP_CA } from '../ca/go-programs.fake.ts';
import { CaStateError } from '../ca/provider.ts';
import { secretOf } from '../ca/secret.fake.ts';
import { StepCaServer } from '../ca/step-ca/step-server.fake.ts';
import { StoreApi } from '../ca/store-api.fake.ts';
import { readConfig } from '../config/config.ts';
import { Settings } from '../config/settings.ts';

const config = readConfig({ MESH_NAMESPACE: 'mesh', POD_NAME: 'mesh-operator-1', MESH_SIDECAR_IMAGE: 'x' });

describe('the certificate authority that the MeshConfig names', () => {
  let store: StoreApi;
  const started: { stop?(): Promise<void>; remove?(): Promise<void> }[] = [];
  beforeEach(() => {
    store = new StoreApi();
  });

  afterEach(async () => {
    for (const each of started.splice(0)) await (each.stop ?? each.remove)?.call(each);
  });

  const start = (spec: MeshConfigSpec, signal = new AbortController().signal): Promise<StartedAuthority> => {
    const log = new FakeLog();
    const surroundings = {
      capabilities: {} as never,
      owner: undefined,
      spec,
      settings: new Settings(spec, log),
    };
    return startAuthority({ config, api: store.api, clock: systemClock, log }, surroundings, signal);
  };

  test('does not start with settings that are wrong, and says all that is wrong with them', async () => {
    const refused = start({ ca: { provider: 'vault', config: { address: 'http://vault.test' } } });
    await expect(refused).rejects.toThrow(CaStateError);
    await expect(refused).rejects.toThrow(/2 things to change:\n- .*intermediatePath.*\n- .*address/);
    expect(store.calls).toEqual(['get meshconfigs mesh']);
  });

  test('is waited for until the operator is told to end, and no other one is started instead', async () => {
    const ca = {
      provider: 'step-ca',
      config: { address: 'https://127.0.0.1:1', provisioner: 'mesh' },
    } as const;
    await expect(start({ ca }, AbortSignal.timeout(300))).rejects.toThrow('timeout');
    expect(store.objects.size).toBe(0);
  });

  const reason = skipReason(STEP_CA);
  (reason ? test.skip : test)(
    `signs nothing when workloads trust another root, and is taken when they trust its own${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      const server = await StepCaServer.start(docsBlocks('text')[0]);
      started.push(server);
      const { address, tlsServerName, caCertificate, provisioner } = server.settings();
      const settings = { address, provisioner, tlsServerName: tlsServerName!, caCertificate: caCertificate! };
      const ca = { provider: 'step-ca', config: settings } as const;
      store.put('secrets', secretOf('mesh', 'mesh-ca-step', { 'provisioner-key': server.provisionerKeyPem }));
      const publish = (pem: string): void => {
        const id = sha256Hex(readCertificates(pem)[0]!.raw);
        const roots = [{ id, pem, active: true, notAfter: '2036-01-01T00:00:00Z' }];
        store.put('meshconfigs', { metadata: { name: 'mesh' }, ...{ status: { roots } } });
      };
      publish((await TestPki.create()).rootPem);
      const { authority: stranger } = await start({ ca });
      started.push(stranger);
      expect(stranger.lost).toContain('workloads trust other roots than the certificate authority');
      await expect(stranger.issueServing(['mesh-operator.mesh.svc'])).rejects.toThrow(stranger.lost);
      publish(server.caPem);
      const { authority } = await start({ ca });
      started.push(authority);
      expect(authority.choice).toEqual(ca);
      expect((await authority.issueServing(['mesh-operator.mesh.svc'])).certChainPem).toContain('BEGIN');
    },
  );
});
