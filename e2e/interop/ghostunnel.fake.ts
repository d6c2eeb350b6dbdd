import { GHOSTUNNEL, programPath } from '#operator/ca/go-programs.fake.ts';
import { ServerProcess } from '#operator/ca/server-process.fake.ts';
import { freePort } from '#base/testing/free-port.fake.ts';

/** Who a ghostunnel is: files with our certificates, or whatever a SPIRE agent gives it. */
export type GhostunnelIdentity =
  | { readonly certChainPem: string; readonly keyPem: string; readonly rootsPem: string }
  | { readonly workloadApi: string };

/** A real ghostunnel on loopback. */
export class Ghostunnel {
  /** Where it listens. */
  readonly port: number;
  readonly #process: ServerProcess;

  private constructor(port: number, process: ServerProcess) {
    this.port = port;
    this.#process = process;
  }

  /** Takes plain connections, and makes them TLS to `target`, which must be `serverId`. */
  static client(
    identity: GhostunnelIdentity,
    target: string,
    serverId: string,
    more: readonly string[] = [],
  ): Promise<Ghostunnel> {
    return Ghostunnel.#start(identity, ['client', '--target', target, '--verify-uri', serverId, ...more]);
  }

  /** Takes TLS connections of `clientId`, and passes them on to a local port. */
  static server(identity: GhostunnelIdentity, targetPort: number, clientId: string): Promise<Ghostunnel> {
    return Ghostunnel.#start(identity, [
      'server',
      '--target',
      `127.0.0.1:${targetPort}`,
      '--allow-uri',
      clientId,
    ]);
  }

  static async #start(identity: GhostunnelIdentity, mode: readonly string[]): Promise<Ghostunnel> {
    const process = new ServerProcess();
    const port = await freePort();
    const proof =
      'workloadApi' in identity
        ? ['--use-workload-api-addr', identity.workloadApi]
        : [
            ...['--cert', process.file('cert.pem', identity.certChainPem)],
            ...['--key', process.file('key.pem', identity.keyPem)],
            ...['--cacert', process.file('roots.pem', identity.rootsPem)],
          ];
    await process.start(
      programPath(GHOSTUNNEL),
      [...mode, '--listen', `127.0.0.1:${port}`, ...proof],
      /listening for connections|listening on|starting up/,
    );
    return new Ghostunnel(port, process);
  }

  get output(): string {
    return this.#process.output;
  }

  async remove(): Promise<void> {
    await this.#process.remove();
  }
}
