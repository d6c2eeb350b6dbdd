import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { SPIRE_AGENT, SPIRE_SERVER, programPath } from '#operator/ca/go-programs.fake.ts';
import { ServerProcess } from '#operator/ca/server-process.fake.ts';
import { freePort } from '#base/testing/free-port.fake.ts';

export const PARTNER = 'partner.example';
const AGENT = `spiffe://${PARTNER}/agent`;

/** A foreign trust domain that a SPIRE server fetches from. */
interface FederatesWith {
  readonly trustDomain: string;
  readonly url: string;
  /** Of the endpoint; without it the profile is https_web. */
  readonly spiffeId?: string;
}

export interface SpireOptions {
  /** HCL of its own endpoint's profile. */
  readonly profile?: (process: ServerProcess) => string;
  readonly federatesWith?: readonly FederatesWith[];
  /** Environment of the server. */
  readonly env?: () => Readonly<Record<string, string>>;
}

/** A real SPIRE of trust domain partner.example on loopback: a server with a bundle endpoint and, where asked for, an agent. */
export class Spire {
  /** Of its bundle endpoint. */
  readonly bundleUrl: string;
  readonly #server = new ServerProcess();
  readonly #agent = new ServerProcess();
  readonly #serverPort: number;

  private constructor(serverPort: number, bundlePort: number) {
    this.#serverPort = serverPort;
    this.bundleUrl = `https://localhost:${bundlePort}/`;
  }

  static async start(options: SpireOptions = {}): Promise<Spire> {
    const [serverPort, bundlePort] = [await freePort(), await freePort()];
    const spire = new Spire(serverPort, bundlePort);
    const config = spire.#server.file('server.conf', spire.#serverConfig(bundlePort, options));
    const ready = /(?=[\s\S]*Serving bundle endpoint)[\s\S]*network=unix/;
    try {
      const args = ['run', '-config', config];
      await spire.#server.start(programPath(SPIRE_SERVER), args, ready, options.env?.());
    } catch (error) {
      await spire.remove();
      throw error;
    }
    return spire;
  }

  /** Where its agent hands out identities (SPIFFE Workload API). */
  get workloadApi(): string {
    return `unix://${this.#agent.dir}/agent.sock`;
  }

  get output(): string {
    return this.#server.output;
  }

  /** Starts an agent, which gives every program of this user the identities of {@link entry}. */
  async startAgent(): Promise<void> {
    const answer = await this.run('token', 'generate', '-spiffeID', AGENT, '-output', 'json');
    const { value: token } = JSON.parse(answer) as { value: string };
    const root = this.#agent.file('root.pem', await this.run('bundle', 'show'));
    const config = this.#agent.file('agent.conf', this.#agentConfig(root));
    const args = ['run', '-config', config, '-joinToken', token];
    await this.#agent.start(programPath(SPIRE_AGENT), args, /Starting Workload and SDS APIs/);
  }

  /** An identity for the programs of this user, who also trust `federatesWith`. */
  async entry(path: string, federatesWith: readonly string[] = []): Promise<string> {
    const spiffeId = `spiffe://${PARTNER}${path}`;
    const who = [
      '-spiffeID',
      spiffeId,
      '-parentID',
      AGENT,
      '-selector',
      `unix:uid:${process.getuid?.() ?? 0}`,
    ];
    const domains = federatesWith.flatMap((domain) => ['-federatesWith', `spiffe://${domain}`]);
    await this.run('entry', 'create', ...who, ...domains);
    return spiffeId;
  }

  /** Waits until the agent has an identity, and writes it. */
  async fetchSvid(): Promise<{ readonly certChainPem: string; readonly keyPem: string }> {
    for (let tries = 0; ; tries++) {
      try {
        await execute(programPath(SPIRE_AGENT), [
          ...[
            'api',
            'fetch',
            'x509',
            '-socketPath',
            join(this.#agent.dir, 'agent.sock'),
            '-write',
            this.#agent.dir,
          ],
        ]);
        break;
      } catch (error) {
        if (tries > 60) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
    return { certChainPem: this.#agent.read('svid.0.pem'), keyPem: this.#agent.read('svid.0.key') };
  }

  /** Its own bundle as it is handed to people: JSON or PEM. */
  bundle(format: 'spiffe' | 'pem'): Promise<string> {
    return this.run('bundle', 'show', '-format', format);
  }

  /** Gives it a first bundle of a foreign trust domain. */
  async setBundle(trustDomain: string, json: string): Promise<void> {
    const path = this.#server.file('foreign.json', json);
    await this.run('bundle', 'set', '-id', `spiffe://${trustDomain}`, '-format', 'spiffe', '-path', path);
  }

  /** Has it fetch a foreign bundle now, and tells what it then knows, JSON. */
  async refreshed(trustDomain: string): Promise<string> {
    await this.run('federation', 'refresh', '-id', trustDomain);
    return this.run('bundle', 'list', '-id', `spiffe://${trustDomain}`, '-format', 'spiffe');
  }

  /** Adds a root to its bundle, as before it signs with it. */
  async prepareRoot(): Promise<void> {
    await this.run('localauthority', 'x509', 'prepare');
  }

  /** A command of spire-server. */
  async run(...args: readonly string[]): Promise<string> {
    const socket = ['-socketPath', join(this.#server.dir, 'server.sock')];
    const words = args.findIndex((arg) => arg.startsWith('-'));
    const at = words < 0 ? args.length : words;
    const { stdout } = await execute(programPath(SPIRE_SERVER), [
      ...args.slice(0, at),
      ...socket,
      ...args.slice(at),
    ]);
    return stdout;
  }

  async remove(): Promise<void> {
    await this.#agent.remove();
    await this.#server.remove();
  }

  #serverConfig(bundlePort: number, { profile, federatesWith = [] }: SpireOptions): string {
    const { dir } = this.#server;
    const foreign = federatesWith.map(
      ({ trustDomain, url, spiffeId }) => `
    federates_with "${trustDomain}" {
      bundle_endpoint_url = "${url}"
      bundle_endpoint_profile "${spiffeId ? 'https_spiffe' : 'https_web'}" {
        ${spiffeId ? `endpoint_spiffe_id = "${spiffeId}"` : ''}
      }
    }`,
    );
    return `
server {
  bind_address = "127.0.0.1"
  bind_port = "${this.#serverPort}"
  socket_path = "${dir}/server.sock"
  trust_domain = "${PARTNER}"
  data_dir = "${dir}"
  log_level = "DEBUG"
  federation {
    bundle_endpoint {
      address = "127.0.0.1"
      port = ${bundlePort}
      ${profile?.(this.#server) ?? 'profile "https_spiffe" {}'}
    }${foreign.join('')}
  }
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${dir}/data.sqlite3" } }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
}
`;
  }

  #agentConfig(rootPath: string): string {
    const { dir } = this.#agent;
    return `
agent {
  data_dir = "${dir}"
  log_level = "INFO"
  server_address = "127.0.0.1"
  server_port = "${this.#serverPort}"
  socket_path = "${dir}/agent.sock"
  trust_bundle_path = "${rootPath}"
  trust_domain = "${PARTNER}"
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
`;
  }
}

const execute = promisify(execFile);
