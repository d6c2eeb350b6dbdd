import { eventually } from './eventually.ts';
import { kubectl } from './kubectl.ts';
import type { PodRef } from './kubectl.ts';

/** As much of a pod as the tests read. */
export interface PodView {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly containers: readonly { readonly name: string }[];
    readonly initContainers?: readonly { readonly name: string }[];
  };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly ready: boolean;
      readonly restartCount: number;
      readonly state: object;
    }[];
  };
}

/** The pods of an app, those being deleted left out. */
export async function podsOf(namespace: string, app: string): Promise<readonly PodView[]> {
  const text = await kubectl(['get', 'pods', '-n', namespace, '-l', `app=${app}`, '-o', 'json']);
  const { items } = JSON.parse(text) as { items: PodView[] };
  return items.filter((pod) => pod.metadata.deletionTimestamp === undefined);
}

/** Waits until as many pods of an app are ready as wanted, and gives them. */
export function readyPods(
  namespace: string,
  app: string,
  count = 1,
  timeoutMs = 120_000,
): Promise<readonly PodView[]> {
  return eventually(
    `${count} ready pods of ${namespace}/${app}`,
    async () => {
      const ready = (await podsOf(namespace, app)).filter(isReady);
      return ready.length === count ? ready : undefined;
    },
    { timeoutMs, everyMs: 500 },
  );
}

/** Waits for the one ready pod of an app and gives a reference to its application container. */
export async function readyPod(
  namespace: string,
  app: string,
): Promise<PodRef & { readonly ip: string; readonly uid: string }> {
  const [pod] = await readyPods(namespace, app);
  if (!pod) throw new Error(`no pod of ${namespace}/${app}`);
  return {
    namespace,
    name: pod.metadata.name,
    container: app,
    ip: pod.status.podIP ?? '',
    uid: pod.metadata.uid,
  };
}

/** The sidecar container of the same pod. */
export function sidecarOf(pod: PodRef): PodRef {
  return { ...pod, container: 'mesh-sidecar' };
}

function isReady(pod: PodView): boolean {
  return pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}
