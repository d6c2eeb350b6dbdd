import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:https';

import { asError } from '#base/error-text.ts';

/** How to reach the API server; taken from a kubeconfig in JSON, as the cluster writes them. */
export interface ApiAccess {
  server: string;
  agent: Agent;
}

/** Reads a kubeconfig that this room wrote. */
export function readAccess(kubeconfig: string): ApiAccess {
  const config = JSON.parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
    users: [{ user: { 'client-certificate-data': string; 'client-key-data': string } }];
  };
  const decode = (text: string): Buffer => Buffer.from(text, 'base64');
  const { cluster } = config.clusters[0];
  const { user } = config.users[0];
  const agent = new Agent({
    keepAlive: true,
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  });
  return { server: cluster.server, agent };
}

interface ApiObject {
  metadata: { name: string; namespace: string; resourceVersion: string };
}

/**
 * Keeps a list of one kind of object current for as long as the process lives. Test equipment: on any trouble it lists again after
 * half a second, and until then the last list stands.
 * @param path of the collection, such as `/api/v1/services`
 * @param changed is given the whole list after every change
 */
export async function follow<T extends ApiObject>(
  api: ApiAccess,
  path: string,
  changed: (objects: T[]) => void,
): Promise<never> {
  for (;;) {
    try {
      const list = JSON.parse(await text(api, path)) as { items: T[]; metadata: { resourceVersion: string } };
      const objects = new Map(list.items.map((item) => [name(item), item]));
      changed([...objects.values()]);
      await lines(
        api,
        `${path}?watch=1&timeoutSeconds=240&resourceVersion=${list.metadata.resourceVersion}`,
        (line) => {
          const event = JSON.parse(line) as { type: string; object: T };
          if (event.type === 'ERROR') throw new Error('the watch is too old');
          if (event.type === 'DELETED') objects.delete(name(event.object));
          else objects.set(name(event.object), event.object);
          changed([...objects.values()]);
        },
      );
    } catch {
      // The next attempt says whether it was worth mentioning.
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function name({ metadata }: ApiObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

async function text(api: ApiAccess, path: string): Promise<string> {
  let whole = '';
  await request(api, path, (chunk) => (whole += chunk));
  return whole;
}

async function lines(api: ApiAccess, path: string, line: (text: string) => void): Promise<void> {
  let rest = '';
  await request(api, path, (chunk) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    parts.filter((part) => part !== '').forEach(line);
  });
}

/** Resolves when the answer has ended; rejects on errors and when the server has been silent for longer than any watch lasts. */
function request(api: ApiAccess, path: string, data: (chunk: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = get(`${api.server}${path}`, { agent: api.agent, timeout: 300_000 }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}`));
      response.setEncoding('utf8').on('data', (chunk: string) => {
        try {
          data(chunk);
        } catch (error) {
          reject(asError(error));
          response.destroy();
        }
      });
      response.on('end', resolve).on('error', reject).on('close', resolve);
    });
    sent.on('timeout', () => sent.destroy(new Error(`${path}: no answer`)));
    sent.on('error', reject);
  });
}
