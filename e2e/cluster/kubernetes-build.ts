import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { output } from './command.ts';
import { sourceArchive } from './debian-source.ts';
import { clusterDir, logsDir } from './paths.ts';
import type { Steps } from './steps.ts';

const version = 'v1.20.2';
/** To be raised whenever what follows would make other binaries than before. */
const recipe = `${version}-1`;

/** Debian's own Go: the tree does not build in module mode, and current compilers know no other. */
const go = '/usr/lib/go-1.19/bin/go';
const programs = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;

/** Path of one of the programs that {@link buildKubernetes} makes. */
export function binary(name: (typeof programs)[number] | 'kubectl'): string {
  return join(finished(), name);
}

function finished(): string {
  return join(clusterDir(), `kubernetes-${recipe}`);
}

/** Whether the programs are there already. */
function kubernetesIsBuilt(): boolean {
  return existsSync(finished());
}

/**
 * Builds Kubernetes from Debian's source package, once; a build that was interrupted begins again, with the compiler's cache of the
 * first attempt.
 * @throws CommandError with the end of the compiler's output
 */
export async function buildKubernetes(steps: Steps): Promise<void> {
  if (kubernetesIsBuilt()) return;
  const work = join(clusterDir(), 'kubernetes-building');
  const log = join(logsDir(), 'kubernetes-build.log');
  rmSync(log, { force: true });
  for (const leftover of ['go', 'bin']) rmSync(join(work, leftover), { recursive: true, force: true });
  mkdirSync(join(work, 'bin'), { recursive: true });

  steps.say('fetching the Kubernetes 1.20 source package');
  const tree = join(work, 'go', 'src', 'k8s.io', 'kubernetes');
  mkdirSync(join(tree, '..'), { recursive: true });
  await output('dpkg-source', ['--no-check', '-x', await sourceArchive('kubernetes', log), tree], { log });
  replaceReflect2(tree);

  // `nice`: whoever works on the machine meanwhile should not have to wait for us.
  const compile = (out: string, ...what: string[]): Promise<string> =>
    output('nice', [go, 'build', '-ldflags', linkerFlags(), '-o', out, ...what], {
      cwd: tree,
      env: goEnvironment(work),
      log,
    });
  steps.say('generating the OpenAPI definitions');
  await compile(join(work, 'openapi-gen'), './vendor/k8s.io/kube-openapi/cmd/openapi-gen');
  await generateOpenApi(work, tree, log);
  steps.say(`building ${programs.join(', ')}`);
  await compile(`${join(work, 'bin')}/`, ...programs.map((name) => `./cmd/${name}`));
  renameSync(join(work, 'bin'), finished());
  rmSync(work, { recursive: true, force: true });
}

/**
 * Builds the kubectl of the same tree, for machines where no other works.
 * @returns its path
 */
export async function buildKubectl(steps: Steps): Promise<string> {
  const path = binary('kubectl');
  if (existsSync(path)) return path;
  steps.say('building kubectl');
  const work = join(clusterDir(), 'kubectl-building');
  const log = join(logsDir(), 'kubectl-build.log');
  rmSync(join(work, 'go'), { recursive: true, force: true });
  const tree = join(work, 'go', 'src', 'k8s.io', 'kubernetes');
  mkdirSync(join(tree, '..'), { recursive: true });
  await output('dpkg-source', ['--no-check', '-x', await sourceArchive('kubernetes', log), tree], { log });
  const args = ['build', '-ldflags', linkerFlags(), '-o', join(work, 'kubectl'), './cmd/kubectl'];
  await output('nice', [go, ...args], { cwd: tree, env: goEnvironment(work), log });
  renameSync(join(work, 'kubectl'), path);
  rmSync(work, { recursive: true, force: true });
  return path;
}

function goEnvironment(work: string): NodeJS.ProcessEnv {
  // Nothing of the caller's Go settings: another Go may be configured on the machine.
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: work,
    GOPATH: join(work, 'go'),
    GOCACHE: join(work, 'go-cache'),
    GO111MODULE: 'off',
    CGO_ENABLED: '0',
  };
}

/** Without a version, clients refuse to talk to the server. */
function linkerFlags(): string {
  const component = 'k8s.io/kubernetes/vendor/k8s.io/component-base/version';
  const client = 'k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version';
  const values = [
    `${component}.gitMajor=1`,
    `${component}.gitMinor=20`,
    `${component}.gitVersion=${version}`,
  ];
  values.push(`${client}.gitMajor=1`, `${client}.gitMinor=20`, `${client}.gitVersion=${version}`);
  return ['-s', '-w', ...values.flatMap((value) => ['-X', value])].join(' ');
}

/** The vendored reflect2 crashes with Go 1.18 and later at the first custom resource; Debian has one that does not. */
function replaceReflect2(tree: string): void {
  const vendored = join(tree, 'vendor/github.com/modern-go/reflect2');
  rmSync(vendored, { recursive: true });
  cpSync('/usr/share/gocode/src/github.com/modern-go/reflect2', vendored, {
    recursive: true,
    dereference: true,
  });
}

/** Makes the definitions that Kubernetes' own build generates, and which no source package holds. */
async function generateOpenApi(work: string, tree: string, log: string): Promise<void> {
  const packages = ['pkg', 'cmd', 'plugin', 'staging/src'].flatMap((folder) => taggedPackages(tree, folder));
  const inputs = packages.map((path) => `k8s.io/kubernetes/${path.replace(/^staging\/src\//, 'vendor/')}`);
  writeFileSync(join(work, 'no-header'), '');
  const args = ['--go-header-file', join(work, 'no-header'), '--output-base', join(work, 'go/src')];
  args.push(
    '--output-package',
    'k8s.io/kubernetes/pkg/generated/openapi',
    '--output-file-base',
    'zz_generated.openapi',
  );
  args.push('--report-filename', '/dev/null', '--input-dirs', inputs.join(','));
  await output(join(work, 'openapi-gen'), args, {
    cwd: tree,
    env: { ...goEnvironment(work), PATH: `${go.replace(/\/go$/, '')}:/usr/bin:/bin` },
    log,
  });
}

function taggedPackages(tree: string, folder: string): string[] {
  if (/_examples|code-generator|sample-apiserver|testdata/.test(folder)) return [];
  const entries = readdirSync(join(tree, folder), { withFileTypes: true });
  const sources = entries.filter(({ name }) => name.endsWith('.go') && !name.startsWith('zz_generated'));
  const tagged = sources.some((file) =>
    readFileSync(join(tree, folder, file.name), 'utf8').includes('+k8s:openapi-gen='),
  );
  const below = entries
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => taggedPackages(tree, join(folder, entry.name)));
  return tagged ? [folder, ...below] : below;
}
