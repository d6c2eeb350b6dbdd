import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { selfSignedPair } from '#base/testing/serving-cert.fake.ts';
import { MESH_SERVICES, NAMESPACES, PODS } from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';
import { patched } from '#webhook/injection/apply.fake.ts';
import { injectionContext } from '#webhook/injection/context.fake.ts';
import { inject } from '#webhook/injection/inject.ts';
import { podSchema } from '#webhook/injection/pod.ts';

const AUDIENCE = 'mesh-ca.cluster.local';
const NAMESPACE = 'shop';

/** A pod that may have a certificate. */
export interface MeshedPod {
  /** Where it connects from. */
  readonly address: string;
  readonly token: string;
}

/** An API server with pods of the service shop/web, each at an address of its own, whose tokens it knows. */
export class ClusterOfPods {
  readonly api: FakeApiServer;
  readonly caPem: string;
  readonly pods: readonly MeshedPod[];

  private constructor(api: FakeApiServer, caPem: string, pods: readonly MeshedPod[]) {
    this.api = api;
    this.caPem = caPem;
    this.pods = pods;
  }

  static async start(count: number): Promise<ClusterOfPods> {
    const serving = await selfSignedPair();
    const api = await FakeApiServer.started({ tls: { ...serving, protocol: 'h2' } });
    api.put(NAMESPACES, { metadata: { name: NAMESPACE, labels: {} } });
    api.put(MESH_SERVICES, {
      metadata: { name: 'web', namespace: NAMESPACE },
      spec: { serviceAccounts: ['web'] },
    });
    const known = new Map<string, string>();
    const pods = Array.from({ length: count }, (_, index) => {
      const name = `web-${index}`;
      const pod = { address: `127.1.${index >> 8}.${index & 255}`, token: tokenOf(name) };
      api.put(PODS, podOf(name, pod.address));
      known.set(pod.token, name);
      return pod;
    });
    api.onTokenReview = ({ spec: { token = '' } }) => {
      const name = known.get(token);
      if (name === undefined) return { authenticated: false };
      const extra = {
        'authentication.kubernetes.io/pod-name': [name],
        'authentication.kubernetes.io/pod-uid': [`uid-${name}`],
      };
      const groups = ['system:serviceaccounts'];
      const user = { username: `system:serviceaccount:${NAMESPACE}:web`, groups, extra };
      return { authenticated: true, audiences: [AUDIENCE], user };
    };
    return new ClusterOfPods(api, serving.certPem, pods);
  }

  /** TokenReviews that were asked for so far. */
  get tokenReviews(): number {
    return this.api.requests.filter(({ path }) => path.endsWith('/tokenreviews')).length;
  }

  stop(): Promise<void> {
    return this.api.close();
  }
}

/** As the kubelet would write it. Nothing here looks at its signature. */
function tokenOf(pod: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    aud: [AUDIENCE],
    exp: Math.floor(Date.now() / 1000) + 3_600,
    sub: `system:serviceaccount:${NAMESPACE}:web`,
    'kubernetes.io': {
      namespace: NAMESPACE,
      pod: { name: pod, uid: `uid-${pod}` },
      serviceaccount: { name: 'web', uid: 'uid-account' },
    },
  };
  return `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}.${Buffer.from(pod).toString('base64url')}`;
}

/** A pod as injection makes it, running. */
function podOf(name: string, address: string): Pod {
  const plain = {
    metadata: {
      name,
      namespace: NAMESPACE,
      uid: `uid-${name}`,
      annotations: { 'mesh/inject': 'true', 'mesh/service': 'web' },
    },
    spec: { serviceAccountName: 'web', nodeName: 'node-1', containers: [{ name: 'app', image: 'app:1' }] },
  };
  const context = injectionContext({ namespace: NAMESPACE, meshNamespace: 'mesh-system' });
  const outcome = inject(podSchema.parse(plain), context);
  if (!('patch' in outcome)) throw new Error(JSON.stringify(outcome));
  const status = { phase: 'Running', podIP: address, podIPs: [{ ip: address }] };
  return { ...patched(plain, outcome.patch), status };
}
