import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addresses, apiServerUrl, prefix } from './addresses.ts';
import { output } from './command.ts';
import { kubeconfigPath, runDir } from './paths.ts';

/** Where the cluster's keys and certificates are, by the name of their holder. */
export function pkiFile(name: string, kind: 'crt' | 'key' | 'pub' | 'kubeconfig'): string {
  return join(runDir(), 'pki', `${name}.${kind}`);
}

/** Who holds a client certificate, and with which rights. */
const clients: Record<string, string> = {
  admin: '/O=system:masters/CN=kubernetes-admin',
  'controller-manager': '/CN=system:kube-controller-manager',
  scheduler: '/CN=system:kube-scheduler',
  proxy: '/CN=system:kube-proxy',
  kubelet: `/O=system:nodes/CN=system:node:${prefix}`,
  // The API server's own certificate towards the kubelet.
  'kubelet-client': '/O=system:masters/CN=kube-apiserver-kubelet-client',
  dns: `/O=system:masters/CN=${prefix}-dns`,
};

const servers: Record<string, { subject: string; names: string }> = {
  apiserver: {
    subject: '/CN=kube-apiserver',
    names: [
      'DNS:kubernetes',
      'DNS:kubernetes.default',
      'DNS:kubernetes.default.svc',
      'DNS:kubernetes.default.svc.cluster.local',
      'DNS:localhost',
      'IP:127.0.0.1',
      `IP:${addresses.node}`,
      `IP:${addresses.apiService}`,
    ].join(','),
  },
  'kubelet-server': {
    subject: `/O=system:nodes/CN=system:node:${prefix}`,
    names: `DNS:${prefix},IP:${addresses.node}`,
  },
};

/**
 * Makes the cluster's authority, every certificate below it, the key that signs ServiceAccount tokens, and the kubeconfigs.
 * @throws CommandError when openssl fails
 */
export async function makeCertificates(): Promise<void> {
  mkdirSync(join(runDir(), 'pki'), { recursive: true, mode: 0o700 });
  makeKey('ca');
  const caSubject = [
    '-subj',
    '/CN=mesh-e2e',
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign,digitalSignature',
  ];
  await output('openssl', [
    'req',
    '-x509',
    '-new',
    '-key',
    pkiFile('ca', 'key'),
    '-days',
    '365',
    '-out',
    pkiFile('ca', 'crt'),
    ...caSubject,
  ]);
  const issued = [
    ...Object.entries(clients).map(([name, subject]) => issue(name, subject, 'extendedKeyUsage=clientAuth')),
    ...Object.entries(servers).map(([name, { subject, names }]) =>
      issue(name, subject, `extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=${names}`),
    ),
  ];
  await Promise.all(issued);
  makeKey('service-accounts');
  for (const name of Object.keys(clients)) writeKubeconfig(name, pkiFile(name, 'kubeconfig'));
  writeKubeconfig('admin', kubeconfigPath());
}

function makeKey(name: string): void {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // SEC1 for the private key: the oldest form, which every reader of 1.20 knows.
  writeFileSync(pkiFile(name, 'key'), privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  const publicKey = createPublicKey(createPrivateKey(readFileSync(pkiFile(name, 'key'))));
  writeFileSync(pkiFile(name, 'pub'), publicKey.export({ type: 'spki', format: 'pem' }));
}

async function issue(name: string, subject: string, extensions: string): Promise<void> {
  makeKey(name);
  const request = await output('openssl', ['req', '-new', '-key', pkiFile(name, 'key'), '-subj', subject]);
  const file = join(runDir(), 'pki', `${name}.ext`);
  writeFileSync(file, `keyUsage=critical,digitalSignature\n${extensions}\n`);
  const ca = ['-CA', pkiFile('ca', 'crt'), '-CAkey', pkiFile('ca', 'key'), '-set_serial', `0x${serial()}`];
  const rest = ['-days', '365', '-extfile', file, '-out', pkiFile(name, 'crt')];
  await output('openssl', ['x509', '-req', ...ca, ...rest], { input: request });
}

function serial(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    (byte & 0x7f).toString(16).padStart(2, '0'),
  ).join('');
}

function writeKubeconfig(holder: string, file: string): void {
  const inline = (path: string): string => readFileSync(path).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': prefix,
    clusters: [
      {
        name: prefix,
        cluster: { server: apiServerUrl, 'certificate-authority-data': inline(pkiFile('ca', 'crt')) },
      },
    ],
    users: [
      {
        name: holder,
        user: {
          'client-certificate-data': inline(pkiFile(holder, 'crt')),
          'client-key-data': inline(pkiFile(holder, 'key')),
        },
      },
    ],
    contexts: [{ name: prefix, context: { cluster: prefix, user: holder } }],
  };
  // JSON is YAML, so no writer is needed.
  writeFileSync(file, JSON.stringify(config, null, 1), { mode: 0o600 });
}
