import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';

export interface ContractResponse {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** JSON, or the text as it is. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of any kind; a test that looks for the wrong field fails
  readonly body: any;
}

export interface Sending {
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  /** Instead of the config's; null for none. */
  readonly token?: string | null;
}

export interface WatchedEvent {
  readonly type: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
  readonly object: any;
}

/** Plain requests to an API server, so that nothing of our client hides what it answers. */
export class Http {
  readonly #config: ClusterConfig;

  constructor(config: ClusterConfig) {
    this.#config = config;
  }

  async send(method: string, path: string, sending: Sending = {}): Promise<ContractResponse> {
    const response = await this.#open(method, path, sending);
    const body = await text(response);
    const isJson = response.headers['content-type']?.includes('json');
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: isJson ? JSON.parse(body) : body,
    };
  }

  get(path: string, sending?: Sending): Promise<ContractResponse> {
    return this.send('GET', path, sending);
  }

  post(path: string, body: unknown, sending?: Sending): Promise<ContractResponse> {
    return this.send('POST', path, { ...sending, body });
  }

  put(path: string, body: unknown): Promise<ContractResponse> {
    return this.send('PUT', path, { body });
  }

  patch(path: string, type: 'merge' | 'json' | 'strategic-merge', body: unknown): Promise<ContractResponse> {
    return this.send('PATCH', path, { body, contentType: `application/${type}-patch+json` });
  }

  apply(path: string, manager: string, body: unknown, query = ''): Promise<ContractResponse> {
    const contentType = 'application/apply-patch+yaml';
    return this.send('PATCH', `${path}?fieldManager=${manager}${query}`, { body, contentType });
  }

  delete(path: string, body?: unknown): Promise<ContractResponse> {
    return this.send('DELETE', path, body === undefined ? {} : { body });
  }

  /** Events of a watch until there are `count`, or it ends; the connection is closed then. */
  async watch(
    path: string,
    count: number,
    onOpen: () => Promise<unknown> = () => Promise.resolve(),
    onEvent: (event: WatchedEvent) => void = () => undefined,
  ): Promise<WatchedEvent[]> {
    const response = await this.#open('GET', path, {});
    if (response.statusCode !== 200)
      throw new Error(`${path}: ${response.statusCode}: ${await text(response)}`);
    const events: WatchedEvent[] = [];
    let rest = '';
    const done = (async () => {
      for await (const part of response) {
        const lines = `${rest}${String(part)}`.split('\n');
        rest = lines.pop() ?? '';
        const fresh = lines.filter(Boolean).map((line) => JSON.parse(line) as WatchedEvent);
        events.push(...fresh);
        fresh.forEach(onEvent);
        if (events.length >= count) break;
      }
      response.destroy();
    })();
    await onOpen();
    await done;
    return events;
  }

  async #open(
    method: string,
    path: string,
    { body, contentType = 'application/json', accept, token }: Sending,
  ): Promise<IncomingMessage> {
    const { server, caPem, clientCert, tlsServerName, token: own } = this.#config;
    const bearer = token === undefined ? await own?.() : token;
    const isOurs = token === undefined;
    const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        new URL(path, server),
        {
          method,
          agent: false,
          ...(caPem ? { ca: caPem } : {}),
          ...(tlsServerName ? { servername: tlsServerName } : {}),
          ...(clientCert && isOurs ? { cert: clientCert.certPem, key: clientCert.keyPem } : {}),
          headers: {
            ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
            ...(accept ? { accept } : {}),
            ...(payload === undefined
              ? {}
              : { 'content-type': contentType, 'content-length': Buffer.byteLength(payload) }),
          },
        },
        resolve,
      );
      request.on('error', reject);
      request.end(payload);
    });
  }
}
