import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';

import type { StepCaSettings } from '#core/model/ca-providers.ts';
import { freePort } from '#base/testing/free-port.fake.ts';
import { generateKeys, privateKeyPem } from '#pki/keys.ts';
import { OpenSsl } from '#pki/testing/openssl.fake.ts';

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
    const port = await freePort();
    const { files, caPem, provisionerKeyPem } = await stepCaFiles({
      folder: process.dir,
      address: `127.0.0.1:${port}`,
      dnsName: 'step-ca.test',
      template,
      claims,
    });
    for (const [name, content] of Object.entries(files)) process.file(name, content);
    const config = join(process.dir, CONFIG_FILE);
    const server = new StepCaServer({ process, port, caPem, config, provisionerKeyPem });
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

export interface StepCaFiles {
  /** By name, within the folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly caPem: string;
  /** What the operator signs its requests with. */
  readonly provisionerKeyPem: string;
}

/** The file to start step-ca with. */
export const CONFIG_FILE = 'ca.json';

/**
 * Everything a new step-ca needs: a root, an intermediate, a provisioner `mesh`, and no database.
 *
 * @param folder where the files will be
 * @param address it listens on, `host:port`
 */
export async function stepCaFiles(wanted: {
  readonly folder: string;
  readonly address: string;
  readonly dnsName: string;
  readonly template: string | undefined;
  readonly claims: object;
}): Promise<StepCaFiles> {
  const { folder, address, dnsName, template, claims } = wanted;
  const { root, intermediate, key } = authorityFiles();
  const keys = await generateKeys();
  const jwk = createPublicKey(keys.publicKey.export({ format: 'pem', type: 'spki' })).export({
    format: 'jwk',
  });
  const config = {
    root: join(folder, 'root.pem'),
    crt: join(folder, 'intermediate.pem'),
    key: join(folder, 'intermediate.key'),
    address,
    dnsNames: [dnsName],
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
  return {
    files: {
      'root.pem': root,
      'intermediate.pem': intermediate,
      'intermediate.key': key,
      [CONFIG_FILE]: JSON.stringify(config),
    },
    caPem: root,
    provisionerKeyPem: privateKeyPem(keys.privateKey),
  };
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
