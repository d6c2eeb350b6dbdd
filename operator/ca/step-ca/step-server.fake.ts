import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';

import type { StepCaSettings } from '#core/model/ca-providers.ts';
import { generateKeys, privateKeyPem } from '#pki/keys.ts';
import { OpenSsl } from '#pki/openssl.fake.ts';

import { programPath, STEP_CA } from '../go-programs.fake.ts';
import { ServerProcess } from '../server-process.fake.ts';
import { thumbprint } from './step-token.ts';

const PROVISIONER = 'mesh';

/** A real step-ca on loopback, with a root and an intermediate made by openssl, without a database. */
export class StepCaServer {
  readonly caPem: string;
  readonly provisionerKeyPem: string;
  readonly #process: ServerProcess;
  readonly #port: number;
  readonly #config: string;

  private constructor(made: {
    process: ServerProcess;
    port: number;
    config: string;
    caPem: string;
    provisionerKeyPem: string;
  }) {
    this.#process = made.process;
    this.#port = made.port;
    this.#config = made.config;
    this.caPem = made.caPem;
    this.provisionerKeyPem = made.provisionerKeyPem;
  }

  /** @param template of the provisioner; without one, step-ca's own */
  static async start(template: string | undefined, claims: object = {}): Promise<StepCaServer> {
    const process = new ServerProcess();
    const { root, intermediate, key } = authorityFiles();
    const keys = await generateKeys();
    const jwk = createPublicKey(keys.publicKey.export({ format: 'pem', type: 'spki' })).export({
      format: 'jwk',
    });
    const port = await freePort();
    const config = {
      root: process.file('root.pem', root),
      crt: process.file('intermediate.pem', intermediate),
      key: process.file('intermediate.key', key),
      address: `127.0.0.1:${port}`,
      dnsNames: ['step-ca.test'],
      authority: {
        provisioners: [
          {
            type: 'JWK',
            name: PROVISIONER,
            key: { ...jwk, kid: thumbprint(jwk), use: 'sig', alg: 'ES256' },
            claims: { maxTLSCertDuration: '8760h', disableSmallstepExtensions: true, ...claims },
            ...(template === undefined ? {} : { options: { x509: { template } } }),
          },
        ],
      },
    };
    const server = new StepCaServer({
      ...{ process, port, caPem: root },
      config: process.file('ca.json', JSON.stringify(config)),
      provisionerKeyPem: privateKeyPem(keys.privateKey),
    });
    await server.resume();
    return server;
  }

  /** How a provider reaches it. */
  settings(bends: Partial<StepCaSettings> = {}): StepCaSettings {
    return {
      provider: 'step-ca',
      address: `https://127.0.0.1:${this.#port}`,
      caCertificate: this.caPem,
      tlsServerName: 'step-ca.test',
      provisioner: PROVISIONER,
      ...bends,
    };
  }

  get output(): string {
    return this.#process.output;
  }

  async kill(): Promise<void> {
    await this.#process.kill();
  }

  async resume(): Promise<void> {
    await this.#process.start(programPath(STEP_CA), [this.#config], /Serving HTTPS/);
  }

  async remove(): Promise<void> {
    await this.#process.remove();
  }
}

function authorityFiles(): { root: string; intermediate: string; key: string } {
  const openssl = new OpenSsl();
  const ca = [
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
  ];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl.file('empty.cnf', '[req]\ndistinguished_name=dn\n[dn]\n');
  openssl.run(
    ...['req', '-x509', '-config', 'empty.cnf', ...newKey, '-keyout', 'root.key', '-out', 'root.pem'],
    ...['-days', '3650', '-subj', '/CN=Step Root', '-addext', 'subjectKeyIdentifier=hash', ...ca],
  );
  openssl.run(
    ...['req', '-new', '-config', 'empty.cnf', ...newKey, '-keyout', 'between.key', '-out', 'between.csr'],
    ...['-subj', '/CN=Step Intermediate'],
  );
  openssl.file(
    'between.cnf',
    [
      'basicConstraints=critical,CA:TRUE,pathlen:0',
      'keyUsage=critical,keyCertSign,cRLSign',
      'subjectKeyIdentifier=hash',
      'authorityKeyIdentifier=keyid',
    ].join('\n'),
  );
  openssl.run(
    ...['x509', '-req', '-in', 'between.csr', '-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial'],
    ...['-days', '1000', '-extfile', 'between.cnf', '-out', 'between.pem'],
  );
  const [root, intermediate, key] = ['root.pem', 'between.pem', 'between.key'].map((name) =>
    openssl.read(name).toString(),
  ) as [string, string, string];
  openssl.remove();
  return { root, intermediate, key };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
