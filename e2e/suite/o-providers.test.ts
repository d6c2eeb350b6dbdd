import { skipReason, STEP_CA, VAULT } from '#operator/ca/go-programs.fake.ts';

import { stepCaIn, vaultIn } from '../kit/authorities.ts';
import type { AuthorityInPod } from '../kit/authorities.ts';
import { timedPatch } from '../kit/client.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, kubectl } from '../kit/kubectl.ts';
import { MESH_NAMESPACE } from '../kit/mesh.ts';
import { readyPod } from '../kit/pods.ts';
import {
  activeRoot,
  chooseAuthority,
  meshStatus,
  replaced,
  shortLived,
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
      for (const each of running) await each.stop();
      await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: '24h' } });
      await kubectl(['delete', 'namespace', NS, '--wait=false']);
      await kubectl(['delete', 'secret', 'mesh-ca-vault', 'mesh-ca-step', '-n', MESH_NAMESPACE]);
    });

    const secrets = (): Promise<string> => kubectl(['get', 'secrets', '-n', MESH_NAMESPACE, '-o', 'name']);

    async function switchTo(provider: string, ca: Parameters<typeof chooseAuthority>[0]): Promise<void> {
      const before = await activeRoot();
      await underLoad(web, async () => {
        await chooseAuthority(ca);
        await replaced(before);
      });
      expect(await meshStatus()).toMatchObject({
        authority: { provider },
        lastRotation: { result: 'Completed', mode: 'graceful' },
      });
      const hasKey = /secret\/mesh-ca$/m.test(await secrets());
      expect(hasKey).toBe(provider === 'builtin');
    }

    test('to Vault: not one request fails', () => switchTo('vault', running[0]!.ca), 400_000);

    test('to step-ca: not one request fails', () => switchTo('step-ca', running[1]!.ca), 400_000);

    test('an authority that is away: certificates hold, the condition says so, and it recovers by itself', async () => {
      const isReady = async (wanted: string): Promise<true | undefined> => {
        const condition = (await meshStatus()).conditions?.find(({ type }) => type === 'AuthorityReady');
        return condition?.status === wanted ? true : undefined;
      };
      const patience = { timeoutMs: 150_000, everyMs: 1000 };
      await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: '30m' } });
      // Until every sidecar has renewed: the short lives of before are over by then.
      await new Promise((resolve) => setTimeout(resolve, 25_000));
      await underLoad(web, async () => {
        await running[1]!.stop();
        await eventually('the condition says that nothing can be signed', () => isReady('False'), patience);
        await running[1]!.resume();
        await eventually('the condition says that it can again', () => isReady('True'), patience);
      });
      // Kept connections lean on the certificates they were made with, and the next drain waits for those.
      web = await shortLived(NS);
    }, 400_000);

    test(
      'back to the builtin one: not one request fails',
      () => switchTo('builtin', { provider: 'builtin' }),
      400_000,
    );

    test.each<[string, () => Record<string, string>, RegExp]>([
      [
        'one that cannot be reached',
        () => ({ address: `https://nobody.${NS}.svc:8200`, intermediatePath: 'pki' }),
        /nobody|Vault/,
      ],
      [
        'one whose TLS certificate is of another authority than written',
        () => ({ ...running[0]!.ca.config, caCertificate: running[1]!.ca.config['caCertificate'] ?? '' }),
        /certificate/,
      ],
    ])(
      '%s signs nothing: the condition says why, the one before goes on signing, and taking the change back ends it',
      async (_what, given, reason) => {
        const before = await activeRoot();
        await chooseAuthority({ provider: 'vault', config: given() });
        await eventually('the condition says why', async () => {
          const { conditions = [] } = await meshStatus();
          const next = conditions.find(({ type }) => type === 'NextAuthorityReady');
          return next?.status === 'False' && reason.test(next.message) ? true : undefined;
        });
        expect(await activeRoot()).toBe(before);
        await chooseAuthority({ provider: 'builtin' });
        await eventually('the rotation is gone', async () =>
          (await meshStatus()).rotation === undefined ? true : undefined,
        );
        expect(await activeRoot()).toBe(before);
      },
      120_000,
    );
  },
);
