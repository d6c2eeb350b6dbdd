import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addresses, addresses6, dualStack } from './addresses.ts';
import { containerdDir, runDir } from './paths.ts';
import { inNode, pidInNode, startInNode, stopInNode, tryInNode, type NodeInit } from './node.ts';
import { pauseImage } from './pause-image.ts';
import { until } from './steps.ts';

/** containerd's socket, as the node sees it (`/run` is the node's own). */
export const containerdSocket = '/run/containerd/containerd.sock';

/** Path of containerd's configuration in the run directory. */
export function containerdConfigFile(): string {
  return join(runDir(), 'containerd.toml');
}

/** Writes the configurations of containerd and of its network plugins. */
export function writeContainerdConfig(): void {
  const cni = join(runDir(), 'cni');
  mkdirSync(cni, { recursive: true });
  writeFileSync(containerdConfigFile(), config(cni));
  writeFileSync(join(cni, '10-mesh-e2e.conflist'), JSON.stringify(network(), null, 1));
}

/**
 * A pair of interfaces per pod and routes between them (`ptp`), no bridge: packets between two pods of the node always pass the
 * rules of kube-proxy, without the kernel module that bridges need for that.
 */
function network(): object {
  return {
    cniVersion: '0.4.0',
    name: 'mesh-e2e',
    plugins: [
      {
        type: 'ptp',
        ipam: {
          type: 'host-local',
          dataDir: join(runDir(), 'addresses'),
          ranges: [[{ subnet: addresses.pods }], ...(dualStack ? [[{ subnet: addresses6.pods }]] : [])],
          routes: [{ dst: '0.0.0.0/0' }, ...(dualStack ? [{ dst: '::/0' }] : [])],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

function config(cni: string): string {
  return `version = 2
root = ${JSON.stringify(containerdDir())}
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.internal.v1.opt"]
  path = ${JSON.stringify(join(containerdDir(), 'opt'))}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = ${mayRaiseOomPriority() ? 'false' : 'true'}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = ${JSON.stringify(cni)}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;
}

/**
 * Without CAP_SYS_RESOURCE (some virtual machines, most containers) runc cannot give a sandbox the low score that Kubernetes asks
 * for, and every pod would fail with "can't get final child's PID from pipe: EOF".
 */
function mayRaiseOomPriority(): boolean {
  const bits = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${bits}`) & (1n << 24n)) !== 0n;
}

/** Runs `ctr` in the namespace of containerd that Kubernetes uses. */
function ctr(node: NodeInit, ...args: string[]): Promise<string> {
  return inNode(node, 'ctr', ['--address', containerdSocket, '--namespace', 'k8s.io', ...args]);
}

/** Whether containerd answers. */
export async function containerdAnswers(node: NodeInit): Promise<boolean> {
  return (await tryInNode(node, 'ctr', ['--address', containerdSocket, 'version'])).code === 0;
}

/**
 * Forgets containers of an earlier run, whose processes are gone, but keeps the images. This needs containerd without its
 * Kubernetes plugin, which would remember the containers it saw when it started.
 */
export async function forgetContainers(node: NodeInit): Promise<void> {
  const file = join(runDir(), 'containerd-cleaning.toml');
  writeFileSync(
    file,
    `disabled_plugins = ["io.containerd.grpc.v1.cri"]\n${config('').replace(/^disabled_plugins.*\n/m, '')}`,
  );
  await startInNode(node, 'containerd-cleaning', 'containerd', ['--config', file]);
  await until('containerd answers', 30, async () => {
    if (pidInNode(node, 'containerd-cleaning') === undefined) throw new Error('it has ended');
    return containerdAnswers(node);
  });
  const containers = (await ctr(node, 'containers', 'list', '--quiet')).split('\n').filter((id) => id !== '');
  for (const id of containers) await ctr(node, 'containers', 'rm', id);
  await stopInNode(node, 'containerd-cleaning', 10);
  rmSync(join(containerdDir(), 'io.containerd.grpc.v1.cri'), { recursive: true, force: true });
}

/** Names of the images that containerd holds for pods. */
export async function imageNames(node: NodeInit): Promise<string[]> {
  const names = (await ctr(node, 'images', 'list', '--quiet')).split('\n');
  // Kubernetes' plugin lists each image a second time by its digest.
  return names.filter((name) => name !== '' && !name.startsWith('sha256:'));
}

/**
 * Imports an archive, as made by `buildah push ... oci-archive:` or `docker save`.
 *
 * A layer that containerd has already is looked up, but not held until the layers above it are there. When the image's name went from
 * an older image with that layer to this one, a collection of garbage may take the layer in between (containerd 1.6, `rootfs/apply.go`).
 * Nothing can take it the second time: it is unpacked again then, and what is unpacked is held.
 *
 * @param run what runs `ctr`
 * @returns the names that are in it
 * @throws CommandError when containerd refuses it
 */
export async function importArchive(node: NodeInit, archive: string, run = ctr): Promise<string[]> {
  const args = ['images', 'import', '--all-platforms', archive];
  const said = await run(node, ...args).catch((error: unknown) => {
    if (!/parent snapshot \S+ does not exist/.test(String(error))) throw error;
    return run(node, ...args);
  });
  return [...said.matchAll(/^unpacking (\S+) /gm)].map((match) => match[1] ?? '');
}

/**
 * Removes images whose name has gone to a newer one. Kubernetes' plugin holds on to them by their digest, and every build would leave
 * one. Containers that run from them are not disturbed.
 */
export async function forgetReplacedImages(node: NodeInit): Promise<void> {
  const rows = (await ctr(node, 'images', 'list')).split('\n').slice(1);
  const images = rows.map((row) => row.split(/\s+/)).map(([name = '', , digest = '']) => ({ name, digest }));
  const isDigest = ({ name }: { name: string }): boolean => name.startsWith('sha256:');
  const named = new Set(images.filter((image) => !isDigest(image)).map(({ digest }) => digest));
  const replaced = images.filter((image) => isDigest(image) && !named.has(image.digest));
  if (replaced.length > 0) await ctr(node, 'images', 'rm', ...replaced.map(({ name }) => name));
}
