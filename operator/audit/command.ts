import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

import { MESH_CONFIG_NAME } from '#core/constants.ts';
import { KubeClient } from '#kube/client/client.ts';
import type { KubeApi } from '#kube/api.ts';
import { SERVICE_ACCOUNT_DIR, inClusterConfig } from '#kube/cluster/in-cluster.ts';
import { kubeconfig } from '#kube/cluster/kubeconfig.ts';
import { CONFIG_MAPS, MESH_CONFIGS } from '#kube/types.ts';

import { ANCHORS_CONFIG_MAP, readAnchor, verifyAnchor } from './anchor.ts';
import type { Anchor } from './anchor.ts';
import { verifyFile } from './verify.ts';

const USAGE = `usage: mesh-operator audit verify [ANCHORS] FILE...

ANCHORS says where it is known how far each file had come; without it, what was cut off at the end of a file does not show:
  --in-cluster                      in the mesh's namespace, in a pod of the operator
  --kubeconfig FILE                 in the mesh's namespace of that cluster
  --anchors FILE --roots FILE       kubectl get configmap ${ANCHORS_CONFIG_MAP} -o json, and root certificates as PEM
  --namespace NAME                  the mesh's namespace; default mesh-system, in a pod its own
`;
const DEFAULT_NAMESPACE = 'mesh-system';

/** What is known outside of the files. */
interface Known {
  /** By the name of the file. */
  readonly anchors: Readonly<Record<string, string>>;
  readonly rootsPem: string;
  readonly meshNamespace: string;
}

/** A command line that is wrong. */
class UsageError extends Error {}

/**
 * `mesh-operator audit verify FILE...`: says of each file whether its chain is whole, and which line is the first that is not.
 *
 * @param say takes what is printed
 * @returns the process's exit code: 0 when all are whole, 1 when one is not, 2 when the command was wrong
 */
export async function runAudit(
  args: readonly string[],
  say: (text: string) => void,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<number> {
  let paths: readonly string[];
  let known: Known | undefined;
  try {
    const { values, positionals } = parse(args);
    paths = positionals;
    known = await anchorsOf(values, env);
  } catch (error) {
    say(error instanceof UsageError ? `${error.message}${USAGE}` : `${(error as Error).message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
  let code = 0;
  for (const path of paths) {
    const [text, ok] = await verdictOf(path, known);
    say(`${path}: ${text}\n`);
    if (!ok) code = 1;
  }
  const given = new Set(paths.map((path) => basename(path)));
  for (const name of Object.keys(known?.anchors ?? {}).sort())
    if (!given.has(name)) say(`${name}: there is an anchor of it, and it was not given\n`);
  return code;
}

type Flags = Partial<Record<'kubeconfig' | 'anchors' | 'roots' | 'namespace', string>> & {
  readonly 'in-cluster'?: boolean;
};

function parse(args: readonly string[]): { readonly values: Flags; readonly positionals: readonly string[] } {
  const [command, ...rest] = args;
  if (command !== 'verify') throw new UsageError('');
  const text = { type: 'string' } as const;
  try {
    const { values, positionals } = parseArgs({
      args: rest,
      allowPositionals: true,
      options: {
        ...{ kubeconfig: text, anchors: text, roots: text, namespace: text },
        'in-cluster': { type: 'boolean' },
      },
    });
    if (positionals.length === 0) throw new UsageError('');
    return { values, positionals };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${(error as Error).message}\n\n`);
  }
}

async function anchorsOf(
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Known | undefined> {
  const meshNamespace = flags.namespace ?? env['MESH_NAMESPACE'] ?? DEFAULT_NAMESPACE;
  const ways = [flags['in-cluster'], flags.kubeconfig, flags.anchors].filter((way) => way !== undefined);
  if (ways.length > 1)
    throw new UsageError('--in-cluster, --kubeconfig and --anchors exclude one another\n\n');
  if ((flags.anchors === undefined) !== (flags.roots === undefined))
    throw new UsageError('--anchors and --roots are written together\n\n');
  if (flags.anchors !== undefined) {
    const [anchors, rootsPem] = await Promise.all(
      [flags.anchors, flags.roots ?? ''].map((path) => readFile(path, 'utf8')),
    );
    const { data = {} } = JSON.parse(anchors ?? '') as { data?: Record<string, string> };
    return { anchors: data, rootsPem: rootsPem ?? '', meshNamespace };
  }
  if (ways.length === 0) return undefined;
  const config = flags.kubeconfig
    ? await kubeconfig({ path: flags.kubeconfig })
    : await inClusterConfig({ MESH_KUBE_TOKEN_DIR: SERVICE_ACCOUNT_DIR, ...env });
  const api = new KubeClient({ config, userAgent: 'mesh-audit' });
  try {
    return await anchorsIn(api, meshNamespace);
  } finally {
    api.close();
  }
}

async function anchorsIn(api: KubeApi, meshNamespace: string): Promise<Known> {
  const [{ data = {} }, { status }] = await Promise.all([
    api.get(CONFIG_MAPS, { namespace: meshNamespace, name: ANCHORS_CONFIG_MAP }),
    api.get(MESH_CONFIGS, { name: MESH_CONFIG_NAME }),
  ]);
  return { anchors: data, rootsPem: (status?.roots ?? []).map(({ pem }) => pem).join(''), meshNamespace };
}

async function verdictOf(path: string, known: Known | undefined): Promise<readonly [string, boolean]> {
  try {
    const anchor = known && anchorOf(basename(path), known);
    const verdict = await verifyFile(path, anchor);
    if (!verdict.ok) return [`line ${verdict.line} is broken: ${verdict.why}`, false];
    const { seq, hash } = verdict.end;
    const end = `${seq} lines, none changed, removed or inserted before the last; its SHA-256 is ${hash}`;
    if (!anchor) return [`${end}; not compared with an anchor, so lines that were cut off do not show`, true];
    const after = seq - anchor.seq;
    return [
      `${end}; ${after === 0 ? 'all' : `all but the last ${after}`} by its anchor of ${anchor.time}`,
      true,
    ];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return [code === undefined ? message : `cannot be read: ${message}`, false];
  }
}

function anchorOf(file: string, { anchors, rootsPem, meshNamespace }: Known): Anchor {
  const text = anchors[file];
  if (text === undefined)
    throw new RangeError('there is no anchor of a file of this name: it was renamed, or never anchored');
  const anchor = verifyAnchor(text, rootsPem, meshNamespace);
  if (anchor.file !== file)
    throw new RangeError(`its anchor is that of ${JSON.stringify(readAnchor(text).file)}`);
  return anchor;
}
