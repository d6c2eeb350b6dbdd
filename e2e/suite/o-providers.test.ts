import { skipReason, STEP_CA, VAULT } from '#operator/ca/go-programs.fake.ts';

import { stepCaIn, vaultIn } from '../kit/authorities.ts';
import type { AuthorityInPod } from '../kit/authorities.ts';
import { timedPatch } from '../kit/client.ts';
import { apply, kubectl, tryKubectl } from '../kit/kubectl.ts';
import { MESH_NAMESPACE } from '../kit/mesh.ts';
import { readyPod } from '../kit/pods.ts';
import {
  activeRoot,
  chooseAuthority,
  meshStatus,
  replaced,
  shortLivedScene,
  underLoad,
} from '../kit/rotation.ts';
import type { MeshedPod } from '../kit/rotation.ts';
import { idleClient } from '../kit/workload.ts';

const NS = 'e2e-providers';
const HOST = `authority.${NS}.svc`;

const missing = skipReason(VAULT) ?? skipReason(STEP_CA);
(missing ? describe.skip : describe)(
  `the certificate authority changes while everybody talks${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    const running: AuthorityInPod[] = [];
    let web: MeshedPod;

    beforeAll(async () => {
      web = await shortLivedScene(NS);
      await apply(
        ...idleClient({
          ...{ namespace: NS, name: 'authority', meshed: false, ports: [8200, 9443], probe: false },
        }),
      );
      const pod = await readyPod(NS, 'authority');
      running.push(await vaultIn(pod, HOST), await stepCaIn(pod, HOST));
    }, 400_000);

    afterAll(async () => {
      for (const each of running) each.stop();
      await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: '24h' } });
      await kubectl(['delete', 'namespace', NS, '--wait=false']);
      await kubectl(['delete', 'secret', 'mesh-ca-vault', 'mesh-ca-step', '-n', MESH_NAMESPACE]);
    });

    const secrets = (): Promise<string> => kubectl(['get', 'secrets', '-n', MESH_NAMESPACE, '-o', 'name']);

    test.each([
      ['vault', () => running[0]!.ca],
      ['step-ca', () => running[1]!.ca],
      ['builtin', () => ({ provider: 'builtin' })],
    ])(
      'to %s: not one request fails',
      async (provider, ca) => {
        const before = await activeRoot();
        await underLoad(web, async () => {
          await chooseAuthority(ca());
          await replaced(before);
        });
        expect(await meshStatus()).toMatchObject({
          authority: { provider },
          lastRotation: { result: 'Completed', mode: 'graceful' },
        });
        const hasKey = /secret\/mesh-ca$/m.test(await secrets());
        expect(hasKey).toBe(provider === 'builtin');
      },
      400_000,
    );

    test('one that cannot be reached is refused before it is stored, with the reason', async () => {
      const before = await activeRoot();
      const config = { address: `https://nobody.${NS}.svc:8200`, intermediatePath: 'pki' };
      const patch = JSON.stringify({ spec: { ca: { provider: 'vault', config } } });
      const { code, stderr } = await tryKubectl([
        'patch',
        'meshconfig',
        'mesh',
        '--type',
        'merge',
        '-p',
        patch,
      ]);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/spec\.ca\.config: .*(nobody|Vault)/);
      expect(await activeRoot()).toBe(before);
      expect((await meshStatus()).rotation).toBeUndefined();
    }, 60_000);
  },
);
