import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parse } from 'yaml';

import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import { systemClock } from '#base/clock.ts';
import { kubeconfig } from '#kube/cluster/kubeconfig.ts';
import { silentLog } from '#base/log.ts';

import { startEmbeddedApi } from '../../dev/server/embedded-api.ts';
import type { EmbeddedApi } from '../../dev/server/embedded-api.ts';
import { noJournal } from '../store/journal.ts';
import { Http } from './http.fake.ts';

const MESH = '/apis/mesh.dev/v1alpha1';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/**
 * The API server that the contract is held against: the embedded one, or with `MESH_CONTRACT_KUBECONFIG` the one of that
 * kubeconfig. Tests work in a namespace of their own.
 */
export class Target {
  readonly http: Http;
  readonly config: ClusterConfig;
  readonly namespace: string;
  /** Minor version of Kubernetes. */
  readonly minor: number;
  readonly isEmbedded: boolean;
  readonly #close: () => Promise<void>;
  readonly #embedded: EmbeddedApi | undefined;

  private constructor(
    made: Pick<Target, 'http' | 'config' | 'namespace' | 'minor'>,
    embedded: EmbeddedApi | undefined,
    close: () => Promise<void>,
  ) {
    this.http = made.http;
    this.config = made.config;
    this.namespace = made.namespace;
    this.minor = made.minor;
    this.isEmbedded = embedded !== undefined;
    this.#embedded = embedded;
    this.#close = close;
  }

  static async start(): Promise<Target> {
    const path = process.env.MESH_CONTRACT_KUBECONFIG;
    const embedded = path
      ? undefined
      : await startEmbeddedApi({
          journal: noJournal,
          port: 0,
          host: '127.0.0.1',
          clock: systemClock,
          log: silentLog,
        });
    const config = embedded?.admin ?? (await kubeconfig(path ? { path } : {}));
    const http = new Http(config);
    const made = embedded ? [] : await defineKinds(http);
    const { body } = await http.get('/version');
    const namespace = `contract-${randomBytes(4).toString('hex')}`;
    await http.post('/api/v1/namespaces', { metadata: { name: namespace } });
    const parts = { http, config, namespace, minor: Number.parseInt(body.minor, 10) };
    return new Target(parts, embedded, async () => {
      await http.delete(`/api/v1/namespaces/${namespace}`);
      await gone(http, `/api/v1/namespaces/${namespace}`);
      for (const name of made) await http.delete(`${DEFINITIONS}/${name}`);
      for (const name of made) await gone(http, `${DEFINITIONS}/${name}`);
      await embedded?.stop();
    });
  }

  /** Clears away what the tests made. */
  close(): Promise<void> {
    return this.#close();
  }

  /** A resourceVersion whose changes the server remembers no more: its first one, where it has run for a while. */
  async forgottenVersion(): Promise<string> {
    if (!this.#embedded) return '1';
    const { body } = await this.http.get(this.intentions());
    await this.http.post(this.intentions(), this.intention('newest'));
    this.#embedded.store.compact();
    return body.metadata.resourceVersion as string;
  }

  /** Path of Intentions, or of one. */
  intentions(name = ''): string {
    return `${MESH}/namespaces/${this.namespace}/intentions${name && `/${name}`}`;
  }

  /** Path of a collection of the core group in the namespace, or of one object. */
  core(plural: string, name = ''): string {
    return `/api/v1/namespaces/${this.namespace}/${plural}${name && `/${name}`}`;
  }

  /** An Intention. */
  intention(name: string, spec: object = {}, metadata: object = {}) {
    return {
      apiVersion: 'mesh.dev/v1alpha1',
      kind: 'Intention',
      metadata: { name, namespace: this.namespace, ...metadata },
      spec: { source: { service: 'web' }, destination: { service: name }, action: 'allow', ...spec },
    };
  }
}

/** Applies the definitions a real server lacks. @returns those made here */
async function defineKinds(http: Http): Promise<string[]> {
  const webhooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/mesh';
  if ((await http.get(webhooks)).status === 200)
    throw new Error(
      'a mesh is installed there, and its operator writes to what these tests make; take a server without, or remove it: helm uninstall mesh -n mesh-system --wait',
    );
  const folder = fileURLToPath(new URL('../../../crds', import.meta.url));
  const made: string[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    const definition = parse(readFileSync(join(folder, file), 'utf8')) as { metadata: { name: string } };
    const { status } = await http.post(DEFINITIONS, definition);
    if (status === 201) made.push(definition.metadata.name);
  }
  await until(async () => (await http.get(`${MESH}/intentions`)).status === 200);
  return made;
}

async function gone(http: Http, path: string): Promise<void> {
  await until(async () => (await http.get(path)).status === 404);
}

/** Asks until it is so, at most for a minute. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not become so within a minute');
    await systemClock.sleep(50);
  }
}
