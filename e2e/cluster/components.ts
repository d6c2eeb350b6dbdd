import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addresses, addresses6, apiServerUrl, clusterDomain, dualStack, prefix } from './addresses.ts';
import { pkiFile } from './certificates.ts';
import { containerdConfigFile, containerdSocket } from './containerd.ts';
import { binary } from './kubernetes-build.ts';
import { runDir } from './paths.ts';

/** A process of the control plane or the node: what it runs, and how one sees that it answers. */
export interface Component {
  name: string;
  program: string;
  args: string[];
  /** An HTTP(S) address that answers 200 when it is healthy, asked from inside the node. */
  health?: string;
}

/** The names that `stop` and `start` take, in the order in which the components start. */
export const componentNames = [
  'etcd',
  'apiserver',
  'containerd',
  'controller-manager',
  'scheduler',
  'kubelet',
  'proxy',
  'dns',
] as const;
export type ComponentName = (typeof componentNames)[number];

/** Says whether a word names a component; for arguments typed by people. */
export function isComponentName(word: string): word is ComponentName {
  return (componentNames as readonly string[]).includes(word);
}

/**
 * The component of that name, with the arguments it always gets: a restarted component is the same as before.
 */
export function component(name: ComponentName): Component {
  return { name, ...definitions[name]() };
}

const definitions: Record<ComponentName, () => Omit<Component, 'name'>> = {
  etcd: () => ({
    program: 'etcd',
    args: [
      `--data-dir=${join(runDir(), 'etcd')}`,
      '--listen-client-urls=http://127.0.0.1:2379',
      '--advertise-client-urls=http://127.0.0.1:2379',
      '--listen-peer-urls=http://127.0.0.1:2380',
      // A test cluster's data need not survive a power cut.
      '--unsafe-no-fsync',
    ],
    health: 'http://127.0.0.1:2379/health',
  }),
  apiserver: () => ({
    program: binary('kube-apiserver'),
    args: apiServerArgs(),
    health: `${apiServerUrl}/readyz`,
  }),
  containerd: () => ({ program: 'containerd', args: ['--config', containerdConfigFile()] }),
  'controller-manager': () => ({
    program: binary('kube-controller-manager'),
    args: [
      ...asClient('controller-manager'),
      `--service-account-private-key-file=${pkiFile('service-accounts', 'key')}`,
      `--root-ca-file=${pkiFile('ca', 'crt')}`,
      `--cluster-signing-cert-file=${pkiFile('ca', 'crt')}`,
      `--cluster-signing-key-file=${pkiFile('ca', 'key')}`,
      '--use-service-account-credentials=true',
      ...dualStackGate(),
      `--cluster-cidr=${families(addresses.pods, addresses6.pods)}`,
      `--service-cluster-ip-range=${families(addresses.services, addresses6.services)}`,
      '--leader-elect=false',
      '--node-monitor-period=2s',
      '--kube-api-qps=200',
      '--kube-api-burst=400',
      `--flex-volume-plugin-dir=${join(runDir(), 'flex')}`,
      '--bind-address=127.0.0.1',
    ],
    health: 'https://127.0.0.1:10257/healthz',
  }),
  scheduler: () => ({
    program: binary('kube-scheduler'),
    args: [
      ...asClient('scheduler'),
      '--leader-elect=false',
      '--kube-api-qps=200',
      '--kube-api-burst=400',
      '--bind-address=127.0.0.1',
    ],
    health: 'https://127.0.0.1:10259/healthz',
  }),
  kubelet: () => ({
    program: binary('kubelet'),
    args: [
      `--config=${kubeletConfigFile()}`,
      `--kubeconfig=${pkiFile('kubelet', 'kubeconfig')}`,
      '--container-runtime=remote',
      `--container-runtime-endpoint=unix://${containerdSocket}`,
      `--hostname-override=${prefix}`,
      `--node-ip=${families(addresses.node, addresses6.node)}`,
      `--root-dir=${join(runDir(), 'kubelet')}`,
      `--cert-dir=${join(runDir(), 'pki')}`,
    ],
    health: 'http://127.0.0.1:10248/healthz',
  }),
  proxy: () => ({
    program: binary('kube-proxy'),
    args: [
      `--kubeconfig=${pkiFile('proxy', 'kubeconfig')}`,
      '--proxy-mode=iptables',
      `--cluster-cidr=${families(addresses.pods, addresses6.pods)}`,
      ...dualStackGate(),
      `--hostname-override=${prefix}`,
      // A Service is right within a fraction of a second of a pod's change, rather than within one.
      '--iptables-min-sync-period=200ms',
      // These limits belong to the whole machine and are read-only in a network namespace.
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-established=0',
      '--conntrack-tcp-timeout-close-wait=0',
    ],
    health: 'http://127.0.0.1:10256/healthz',
  }),
  dns: () => ({
    program: process.execPath,
    args: [
      '--import',
      import.meta.resolve('tsx'),
      fileURLToPath(new URL('dns/main.ts', import.meta.url)),
      ...[
        '--kubeconfig',
        pkiFile('dns', 'kubeconfig'),
        '--listen',
        addresses.node,
        '--domain',
        clusterDomain,
      ],
    ],
  }),
};

function apiServerArgs(): string[] {
  return [
    '--etcd-servers=http://127.0.0.1:2379',
    '--secure-port=6443',
    `--advertise-address=${addresses.node}`,
    `--tls-cert-file=${pkiFile('apiserver', 'crt')}`,
    `--tls-private-key-file=${pkiFile('apiserver', 'key')}`,
    `--client-ca-file=${pkiFile('ca', 'crt')}`,
    `--kubelet-certificate-authority=${pkiFile('ca', 'crt')}`,
    `--kubelet-client-certificate=${pkiFile('kubelet-client', 'crt')}`,
    `--kubelet-client-key=${pkiFile('kubelet-client', 'key')}`,
    // The node's name resolves nowhere, so `kubectl logs` and `exec` have to go to its address.
    '--kubelet-preferred-address-types=InternalIP',
    `--service-account-issuer=https://kubernetes.default.svc.${clusterDomain}`,
    `--service-account-signing-key-file=${pkiFile('service-accounts', 'key')}`,
    `--service-account-key-file=${pkiFile('service-accounts', 'pub')}`,
    `--api-audiences=https://kubernetes.default.svc.${clusterDomain}`,
    // Pods get bound, expiring tokens, as on every current cluster.
    `--feature-gates=BoundServiceAccountTokenVolume=true,IPv6DualStack=${dualStack}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--service-cluster-ip-range=${families(addresses.services, addresses6.services)}`,
    '--profiling=false',
  ];
}

/** One value, or one per address family. */
function families(four: string, six: string): string {
  return dualStack ? `${four},${six}` : four;
}

function dualStackGate(): string[] {
  return dualStack ? ['--feature-gates=IPv6DualStack=true'] : [];
}

function asClient(name: string): string[] {
  const file = pkiFile(name, 'kubeconfig');
  return [
    `--kubeconfig=${file}`,
    `--authentication-kubeconfig=${file}`,
    `--authorization-kubeconfig=${file}`,
  ];
}

function kubeletConfigFile(): string {
  return join(runDir(), 'kubelet.json');
}

/** Writes the kubelet's configuration. */
export function writeKubeletConfig(): void {
  mkdirSync(runDir(), { recursive: true });
  writeFileSync(join(runDir(), 'node-resolv.conf'), '');
  const config = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pkiFile('ca', 'crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pkiFile('kubelet-server', 'crt'),
    tlsPrivateKeyFile: pkiFile('kubelet-server', 'key'),
    clusterDNS: [addresses.dnsService],
    clusterDomain,
    // The host's resolver is none of the pods' business.
    resolvConf: join(runDir(), 'node-resolv.conf'),
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${prefix}`,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    syncFrequency: '10s',
    nodeStatusUpdateFrequency: '5s',
    volumePluginDir: join(runDir(), 'flex'),
    // Device plugins use a fixed folder of the host and are not wanted.
    featureGates: { DevicePlugins: false, IPv6DualStack: dualStack },
    // Images come by hand and cannot be had again, so none is ever collected; and a full disk is the machine's own affair.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: {
      'memory.available': '50Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
      'nodefs.inodesFree': '0%',
    },
    maxPods: 250,
    registryPullQPS: 0,
    eventRecordQPS: 0,
    kubeAPIQPS: 100,
    kubeAPIBurst: 200,
    serializeImagePulls: false,
  };
  writeFileSync(kubeletConfigFile(), JSON.stringify(config, null, 1));
}
