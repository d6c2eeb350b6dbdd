import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parse } from 'yaml';

import type { Clock } from '#base/clock.ts';
import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import type { Logger } from '#base/log.ts';

import { Authenticator } from '../../apiserver/api/access/authenticator.ts';
import { Authorizer } from '../../apiserver/api/access/authorizer.ts';
import { Tokens } from '../../apiserver/api/access/tokens.ts';
import { ApiHandler } from '../../apiserver/api/api-handler.ts';
import { ApiServer } from '../../apiserver/api/api-server.ts';
import type { Admission } from '../../apiserver/api/change/admission.ts';
import { Writer } from '../../apiserver/api/change/writer.ts';
import { Kinds } from '../../apiserver/api/kinds.ts';
import { Reviews } from '../../apiserver/api/review/reviews.ts';
import { DefaultAccounts } from '../../apiserver/controllers/default-accounts.ts';
import { GarbageCollector } from '../../apiserver/controllers/garbage-collector.ts';
import type { Journal } from '../../apiserver/store/journal.ts';
import { ObjectStore } from '../../apiserver/store/object-store.ts';
import type { ApiObject } from '../../apiserver/store/object.ts';
import { SERVER_NAME, loadCredentials, servingPair } from './credentials.ts';
import { AS_SERVER, seed } from './seed.ts';

export interface EmbeddedApiOptions {
  readonly journal: Journal;
  /** 0 is any free one. */
  readonly port: number;
  /** Address to listen on. Anything but loopback shows the API to others; they still need a token. */
  readonly host: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Objects that must be there, made at the start where they are missing and put right where they differ. */
  readonly objects?: readonly ApiObject[];
}

export interface EmbeddedApi {
  readonly store: ObjectStore;
  readonly kinds: Kinds;
  readonly writer: Writer;
  readonly port: number;
  /** The way in for whoever runs the server. */
  readonly admin: ClusterConfig & { readonly caPem: string; readonly adminToken: string };
  /** A token of a ServiceAccount for this server, good for an hour. @throws ConnectionRefusal when there is none */
  tokenOf(namespace: string, name: string): string;
  /** Adds a webhook that runs in this process. */
  admit(admission: Admission): void;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** The namespaces every cluster has. */
const NAMESPACES = ['default', 'kube-system'];

/**
 * A Kubernetes API server for the mesh's purposes, in this process.
 *
 * @throws Error with code EADDRINUSE when the port is taken
 */
export async function startEmbeddedApi(options: EmbeddedApiOptions): Promise<EmbeddedApi> {
  const { journal, clock, log, port, host } = options;
  const store = new ObjectStore(journal);
  try {
    const definitions = readDefinitions();
    const kinds = new Kinds(definitions);
    const credentials = await loadCredentials(store, clock);
    const tokens = new Tokens(Buffer.from(credentials.tokenKey, 'base64'));
    const authenticator = new Authenticator({ store, tokens, clock, adminToken: credentials.adminToken });
    const authorizer = new Authorizer(store);
    const admissions: Admission[] = [];
    const writer = new Writer({ store, clock, admissions });
    await seed(
      { store, kinds, writer, clock },
      [...NAMESPACES.map(namespace), ...(options.objects ?? [])],
      definitions,
    );
    const reviews = new Reviews({
      store,
      clock,
      tokens,
      authenticator,
      authorizer,
      issuer: 'https://kubernetes.default.svc',
    });
    const handler = new ApiHandler({ store, clock, writer, authorizer, reviews });
    const tls = await servingPair(credentials, clock);
    const server = new ApiServer({ store, kinds, clock, log, authenticator, authorizer, handler, tls });
    const collector = new GarbageCollector({ store, kinds, writer });
    const accounts = new DefaultAccounts({ store, kinds, writer, asServer: AS_SERVER, log });
    const listening = await server.listen(port, host);
    const { caPem, adminToken } = credentials;
    const end = async (): Promise<void> => {
      await server.close();
      collector.stop();
      accounts.stop();
      store.close();
    };
    let ended: Promise<void> | undefined;
    return {
      ...{ store, kinds, writer, port: listening },
      admin: {
        server: `https://${dialled(host)}:${listening}`,
        tlsServerName: SERVER_NAME,
        caPem,
        adminToken,
        token: () => Promise.resolve(adminToken),
      },
      tokenOf: (namespace, name) => reviews.token({ namespace, name, body: undefined }).status.token,
      admit: (admission) => void admissions.push(admission),
      stop: () => (ended ??= end()),
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

/** How this machine dials what listens there. */
export function dialled(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function namespace(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

/** The mesh's own definitions, as they are applied to clusters. */
function readDefinitions(): readonly ApiObject[] {
  const folder = fileURLToPath(new URL('../../../crds', import.meta.url));
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => parse(readFileSync(join(folder, name), 'utf8')) as ApiObject);
}
