import { output, run } from './command.ts';
import { logsDir } from './paths.ts';
import { join } from 'node:path';
import type { Steps } from './steps.ts';

/** What the cluster is built from and runs on; all of it in Debian bookworm. */
const needed = [
  // The node: its programs and what they call.
  ...['etcd-server', 'etcd-client', 'containerd', 'runc', 'containernetworking-plugins'],
  ...[
    'iptables',
    'nftables',
    'conntrack',
    'iproute2',
    'procps',
    'util-linux',
    'kmod',
    'openssl',
    'curl',
    'busybox-static',
  ],
  // Building Kubernetes.
  ...['golang-1.19-go', 'golang-github-modern-go-reflect2-dev', 'dpkg-dev', 'ca-certificates'],
  // Building images.
  ...['buildah', 'mmdebstrap'],
];

/**
 * Makes sure that the machine has what the cluster needs, and installs what is missing.
 * @throws Error with one sentence that says what is missing and cannot be had
 */
export async function ensurePackages(steps: Steps): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new Error(
      'The test cluster needs root (namespaces, mounts, interfaces): run this command as root.',
    );
  const missing = await missingPackages();
  if (missing.length === 0) return;
  if ((await run('sh', ['-c', '. /etc/os-release && [ "$VERSION_CODENAME" = bookworm ]'])).code !== 0) {
    throw new Error(
      `These Debian packages are missing, and this machine is not Debian bookworm: ${missing.join(', ')}.`,
    );
  }
  steps.say(`installing ${missing.length} Debian packages: ${missing.join(' ')}`);
  const log = join(logsDir(), 'apt.log');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await output('apt-get', ['--quiet', 'update'], { log, env });
  await output('apt-get', ['--quiet', '--yes', '--no-install-recommends', 'install', ...missing], {
    log,
    env,
  });
}

async function missingPackages(): Promise<string[]> {
  const format = '${Package} ${db:Status-Status}\n';
  const { stdout } = await run('dpkg-query', ['--show', `--showformat=${format}`, ...needed]);
  const installed = new Set(
    stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return needed.filter((name) => !installed.has(name));
}
