import { eventually } from './eventually.ts';
import { getJson, kubectl } from './kubectl.ts';
import { MESH_NAMESPACE } from './mesh.ts';

/** Operators that come and go. */

const SELECTOR = 'app.kubernetes.io/name=mesh-operator';

/** The operator that carries the rotation, without a chance to close anything. The other one takes over when its lease has expired. */
export async function killLeader(): Promise<void> {
  const lease = await getJson<{ spec: { holderIdentity: string } }>([
    'lease',
    'mesh-operator',
    '-n',
    MESH_NAMESPACE,
  ]);
  const [pod] = lease!.spec.holderIdentity.split('_');
  await killOperators([pod!]);
}

/** @param pods names, or a selector: arguments of `kubectl delete pod` */
export async function killOperators(pods: readonly string[]): Promise<void> {
  const how = ['--grace-period=0', '--force', '--wait=false'];
  await kubectl(['delete', 'pod', ...pods, '-n', MESH_NAMESPACE, ...how]);
}

/** Waits until the operators of before an upgrade are gone: until then the API server may still ask them. */
export async function onlyNewOperators(): Promise<void> {
  await eventually(
    'only new operators',
    async () => {
      const where = ['-n', MESH_NAMESPACE];
      const deployment = await getJson<{ status: { updatedReplicas?: number } }>([
        'deployment',
        'mesh-operator',
        ...where,
      ]);
      const pods = await getJson<{ items: readonly unknown[] }>(['pods', ...where, '-l', SELECTOR]);
      return pods?.items.length === deployment?.status.updatedReplicas ? true : undefined;
    },
    { timeoutMs: 120_000, everyMs: 500 },
  );
}

/** Waits until there are as many, all ready. */
export async function scaleOperator(replicas: number): Promise<void> {
  await kubectl(['scale', 'deployment/mesh-operator', '-n', MESH_NAMESPACE, `--replicas=${replicas}`]);
  await eventually(
    `${replicas} operators`,
    async () => {
      const where = ['-n', MESH_NAMESPACE];
      const deployment = await getJson<{ status: { readyReplicas?: number } }>([
        'deployment',
        'mesh-operator',
        ...where,
      ]);
      const pods = await getJson<{ items: readonly unknown[] }>(['pods', ...where, '-l', SELECTOR]);
      return (deployment?.status.readyReplicas ?? 0) === replicas && pods?.items.length === replicas
        ? true
        : undefined;
    },
    { timeoutMs: 120_000, everyMs: 500 },
  );
}
