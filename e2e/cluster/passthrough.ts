import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { output, run } from './command.ts';
import { clusterDir } from './paths.ts';

/** Where the settings of the machine appear while an image is built. `/run` is no part of any image. */
const inside = '/run/mesh-e2e-build';

/** What a build must be given so that apt and npm inside it reach what they reach on this machine. */
export interface Passthrough {
  /** A folder of the machine, to be mounted read-only at {@link Passthrough.target}. */
  source: string;
  target: string;
  /** Variables for the build's commands, which are not to be kept in the image: see {@link withArguments}. */
  env: Record<string, string>;
}

const proxyVariables = ['http_proxy', 'https_proxy', 'no_proxy', 'ftp_proxy', 'all_proxy'];
const npmSettings = ['registry', 'cafile', 'proxy', 'https-proxy', 'noproxy', 'strict-ssl'];

/**
 * Collects how this machine reaches its package registries: proxies, apt's acquire settings, npm's registry, certificate
 * authorities. Only what is set is passed on, and no credentials.
 * @param use is given a folder to mount and variables to set, which are gone when it ends
 */
export async function withPassthrough<T>(use: (settings: Passthrough) => Promise<T>): Promise<T> {
  mkdirSync(clusterDir(), { recursive: true });
  forgetKilledBuilds();
  const source = mkdtempSync(join(clusterDir(), `passthrough-${process.pid}-`));
  // Builds may run as another user.
  chmodSync(source, 0o755);
  try {
    return await use(await collect(source));
  } finally {
    rmSync(source, { recursive: true, force: true });
  }
}

/** Builds that were killed could not remove their folder. */
function forgetKilledBuilds(): void {
  for (const name of readdirSync(clusterDir())) {
    const pid = /^passthrough-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(clusterDir(), name), { recursive: true, force: true });
  }
}

async function collect(source: string): Promise<Passthrough> {
  const env: Record<string, string> = {};
  for (const name of proxyVariables.flatMap((lower) => [lower, lower.toUpperCase()])) {
    const value = process.env[name];
    if (value !== undefined && value !== '') env[name] = value;
  }
  writeFileSync(join(source, 'apt.conf'), await aptSettings());
  env['APT_CONFIG'] = `${inside}/apt.conf`;
  copyAuthorities(source, env);
  const npmrc = await npmConfiguration(env);
  if (npmrc !== '') {
    writeFileSync(join(source, 'npmrc'), npmrc);
    env['NPM_CONFIG_GLOBALCONFIG'] = `${inside}/npmrc`;
  }
  return { source, target: inside, env };
}

/** apt's settings for fetching, without those that describe what it fetches and where it keeps that. */
export async function aptSettings(): Promise<string> {
  const dump = await output('apt-config', ['dump', '--no-empty', 'Acquire']);
  const lines = dump
    .split('\n')
    .filter(
      (line) =>
        line.startsWith('Acquire::') &&
        !/^Acquire::(IndexTargets|Languages|Changelogs|CompressionTypes|GzipIndexes|cdrom)/.test(line),
    );
  return `${lines.join('\n')}\n`;
}

/** The authorities that the machine trusts beyond the usual, under every name by which programs look for them. */
function copyAuthorities(source: string, env: Record<string, string>): void {
  const bundle =
    process.env['NODE_EXTRA_CA_CERTS'] ??
    process.env['SSL_CERT_FILE'] ??
    '/etc/ssl/certs/ca-certificates.crt';
  if (!existsSync(bundle)) return;
  copyFileSync(bundle, join(source, 'authorities.crt'));
  for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO'])
    env[name] = `${inside}/authorities.crt`;
}

async function npmConfiguration(env: Record<string, string>): Promise<string> {
  const lines: string[] = [];
  for (const name of npmSettings) {
    const value = (await run('npm', ['config', 'get', name], { cwd: '/' })).stdout.trim();
    if (value === '' || value === 'null' || value === 'undefined') continue;
    if (name === 'cafile' && env['SSL_CERT_FILE'] === undefined) continue;
    lines.push(`${name}=${name === 'cafile' ? env['SSL_CERT_FILE'] : value}`);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/**
 * Declares variables in every stage of a Dockerfile. buildah has no other way to give a build's commands variables that do not
 * stay in the image; the values follow as `--build-arg`.
 * @param dockerfile its text
 * @param names of the variables
 * @returns the changed text
 */
export function withArguments(dockerfile: string, names: string[]): string {
  const declarations = names.map((name) => `ARG ${name}`).join('\n');
  return dockerfile.replace(/^[ \t]*FROM[ \t].*$/gim, (line) => `${line}\n${declarations}`);
}
