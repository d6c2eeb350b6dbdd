import { readFile } from 'node:fs/promises';

import type { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';

import type { ClusterConfig } from './cluster-config.ts';

export interface KubeconfigOptions {
  /** The file; default `$KUBECONFIG`, then `~/.kube/config`, as kubectl finds it. */
  readonly path?: string;
  /** The file's text, instead of `path`. */
  readonly text?: string;
  /** Which context; default the file's current one. */
  readonly context?: string;
}

/**
 * The API server and user of a kubeconfig: tokens, token files, client certificates, exec plugins. The only place where
 * the client library runs; it is for processes outside the cluster.
 *
 * @throws Error saying what the kubeconfig lacks
 */
export async function kubeconfig(options: KubeconfigOptions = {}): Promise<ClusterConfig> {
  // It takes a second to load, and most processes know another way to the API server.
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  if (options.text !== undefined) config.loadFromString(options.text);
  else if (options.path !== undefined) config.loadFromFile(options.path);
  else config.loadFromDefault();
  if (options.context !== undefined) config.setCurrentContext(options.context);

  const cluster = config.getCurrentCluster();
  if (!cluster)
    throw new Error(
      config.getCurrentContext()
        ? `it has no cluster for the context "${config.getCurrentContext()}"`
        : 'it says no current context',
    );
  if (cluster.proxyUrl)
    throw new Error(
      `the kubeconfig reaches ${cluster.server} through a proxy, which the mesh cannot; connect directly`,
    );

  const applied = await apply(config);
  const caFile = cluster.caFile;
  const certPem = text(applied.cert);
  const keyPem = text(applied.key);
  const caPem = text(applied.ca);
  return {
    server: cluster.server,
    ...(caPem ? { caPem } : {}),
    ...(caFile ? { readCa: () => readFile(caFile, 'utf8') } : {}),
    ...(certPem && keyPem ? { clientCert: { certPem, keyPem } } : {}),
    ...(bearer(applied) ? { token: async () => bearer(await apply(config)) ?? '' } : {}),
    ...(cluster.tlsServerName ? { tlsServerName: cluster.tlsServerName } : {}),
    ...(cluster.skipTLSVerify ? { insecureSkipTlsVerify: true } : {}),
  };
}

async function apply(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  return options;
}

function bearer(options: RequestOptions): string | undefined {
  const headers = (options.headers ?? {}) as Record<string, unknown>;
  const value = headers['Authorization'] ?? headers['authorization'];
  return typeof value === 'string' && value.startsWith('Bearer ') ? value.slice('Bearer '.length) : undefined;
}

function text(pem: unknown): string | undefined {
  if (typeof pem === 'string') return pem;
  return Buffer.isBuffer(pem) ? pem.toString('utf8') : undefined;
}
