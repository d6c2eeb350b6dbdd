import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

/** A real authority that tests run against, built from its Go module of a pinned version. */
export interface GoProgram {
  readonly name: string;
  readonly version: string;
  /** What is built: a folder with `go.mod` and source, or the text of a `go.mod` and a package that it requires. */
  /** A module that is copied into the folder `to` of the build and changed there. */
  readonly patch?: {
    readonly module: string;
    readonly to: string;
    readonly file: string;
    readonly before: string;
    readonly after: string;
  };
  readonly env?: Readonly<Record<string, string>>;
  readonly source: { readonly folder: string } | { readonly goMod: string; readonly package: string };
}

export const VAULT: GoProgram = {
  name: 'vault-core',
  version: '1.21.4',
  source: { folder: join(import.meta.dirname, 'vault', 'server') },
  patch: {
    module: 'github.com/hashicorp/vault/sdk@v0.21.0',
    to: 'sdk',
    file: 'framework/backend.go',
    before: 'ActivationFunc func(context.Context, *logical.Request, string) error',
    after: 'ActivationFunc func(context.Context, *logical.Request) error',
  },
};

export const STEP_CA: GoProgram = {
  name: 'step-ca',
  version: '0.30.2',
  // Else it wants a C library for smart cards.
  env: { CGO_ENABLED: '0' },
  source: {
    goMod: 'module step-ca-build\n\ngo 1.25.0\n\nrequire github.com/smallstep/certificates v0.30.2\n',
    package: 'github.com/smallstep/certificates/cmd/step-ca',
  },
};

export const SPIRE_SERVER = spire('spire-server');
export const SPIRE_AGENT = spire('spire-agent');

/** A release of a library replaces one that some copies of the checksum database do not have; only MySQL in Google's cloud uses it. */
function spire(name: 'spire-server' | 'spire-agent'): GoProgram {
  return {
    name,
    version: '1.13.3',
    source: {
      goMod: `module spire-build

go 1.25.0

require github.com/spiffe/spire v1.13.3

replace github.com/GoogleCloudPlatform/cloudsql-proxy => github.com/GoogleCloudPlatform/cloudsql-proxy v1.37.8
`,
      package: `github.com/spiffe/spire/cmd/${name}`,
    },
  };
}

/**
 * What \`go install\` would build, pinned. The sandbox library is a release because the unreleased version that ghostunnel names is
 * missing from some copies of the checksum database.
 */
export const GHOSTUNNEL: GoProgram = {
  name: 'ghostunnel',
  version: '1.8.4',
  source: {
    goMod: `module ghostunnel-build

go 1.23

require (
	github.com/ghostunnel/ghostunnel v1.8.4
	github.com/landlock-lsm/go-landlock v0.11.0
)
`,
    package: 'github.com/ghostunnel/ghostunnel',
  },
};

const run = promisify(execFile);
const LONGEST_BUILD_MS = 3600_000;

/** Where a program is once it is built. */
export function programPath({ name, version }: GoProgram): string {
  const cache = process.env['MESH_CACHE_DIR'] ?? join(homedir(), '.cache', 'mesh');
  return join(cache, 'authorities', `${name}-${version}`);
}

/**
 * Why tests against a program are skipped here; undefined when it is there. Building takes minutes of processor time and the network,
 * so no test does it by itself.
 */
export function skipReason(program: GoProgram): string | undefined {
  if (existsSync(programPath(program))) return undefined;
  return `${program.name} ${program.version} is not built on this machine (npm run test:authorities builds it)`;
}

/**
 * Builds a program, unless that was done before.
 *
 * @returns its path
 * @throws Error with one sentence when it cannot be built here
 */
export async function buildProgram(program: GoProgram): Promise<string> {
  const path = programPath(program);
  if (existsSync(path)) return path;
  const { source } = program;
  const module = `${path}.build`;
  rmSync(module, { recursive: true, force: true });
  mkdirSync(module, { recursive: true });
  if ('folder' in source) cpSync(source.folder, module, { recursive: true });
  else writeFileSync(join(module, 'go.mod'), source.goMod);
  const target = 'folder' in source ? '.' : source.package;
  try {
    if (program.patch) await copyPatched(program.patch, module);
    await run('go', ['build', '-mod=mod', '-o', `${path}.part`, target], {
      cwd: module,
      env: { ...process.env, ...program.env },
      timeout: LONGEST_BUILD_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') throw new Error('this machine has no go to build it with', { cause: error });
    const last = stderr.trim().split('\n').at(-1) ?? message;
    throw new Error(`go could not build it: ${last}`, { cause: error });
  }
  renameSync(`${path}.part`, path);
  rmSync(module, { recursive: true, force: true });
  return path;
}

async function copyPatched(patch: NonNullable<GoProgram['patch']>, build: string): Promise<void> {
  const { stdout } = await run('go', ['mod', 'download', '-json', patch.module], {
    cwd: tmpdir(),
    timeout: LONGEST_BUILD_MS,
  });
  const { Dir: from } = JSON.parse(stdout) as { Dir: string };
  const to = join(build, patch.to);
  // Modules are kept read-only, folders too; the copy must be easy to remove.
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const target = join(to, relative(from, join(entry.parentPath, entry.name)));
    mkdirSync(entry.isDirectory() ? target : dirname(target), { recursive: true });
    if (entry.isFile()) copyFileSync(join(entry.parentPath, entry.name), target);
  }
  const file = join(to, patch.file);
  const text = readFileSync(file, 'utf8');
  if (!text.includes(patch.before)) throw new Error(`${patch.module} is not as expected`);
  chmodSync(file, 0o644);
  writeFileSync(file, text.replace(patch.before, patch.after));
}
