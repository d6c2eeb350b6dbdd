import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const EC_P256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/** The `openssl` program in a folder of its own: a second opinion on what we write, and a maker of what a polite library will not. */
export class OpenSsl {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mesh-openssl-'));

  /** Writes a file that later commands name. */
  file(name: string, content: string | Uint8Array): void {
    writeFileSync(join(this.#folder, name), content);
  }

  read(name: string): Buffer {
    return readFileSync(join(this.#folder, name));
  }

  /** What a command printed; throws when it fails. */
  run(...args: readonly string[]): string {
    return execFileSync('openssl', args, {
      cwd: this.#folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Whether a command succeeds, and all it printed. */
  try(...args: readonly string[]): { readonly ok: boolean; readonly output: string } {
    const { status, stdout, stderr } = spawnSync('openssl', args, { cwd: this.#folder, encoding: 'utf8' });
    return { ok: status === 0, output: stdout + stderr };
  }

  /**
   * A certificate request, PEM.
   *
   * @param options arguments of `openssl req -new` besides key and output, such as `['-subj', '/CN=db']`
   * @param keyArguments arguments of `openssl genpkey`
   */
  request(options: readonly string[], keyArguments: readonly string[] = EC_P256): string {
    this.run('genpkey', ...keyArguments, '-out', 'request.key');
    this.file('empty.cnf', '[req]\ndistinguished_name=dn\n[dn]\n');
    this.run('req', '-new', '-config', 'empty.cnf', '-key', 'request.key', '-out', 'request.csr', ...options);
    return this.read('request.csr').toString();
  }

  /**
   * A certificate with exactly the extensions that are written, as `<name>.pem` and `<name>.key`.
   *
   * @param extensions lines of OpenSSL's configuration, such as `keyUsage=critical,digitalSignature`
   * @param options `issuer` is the name of one made before; without it the certificate is self-signed; `key` is what
   *   `openssl req -newkey` takes, `sign` how it is signed
   * @returns PEM
   */
  certificate(
    name: string,
    extensions: readonly string[],
    options: {
      readonly issuer?: string;
      readonly subject?: string;
      readonly key?: readonly string[];
      readonly sign?: readonly string[];
    } = {},
  ): string {
    const { issuer, subject = name, key = ['ec', ...EC_P256.slice(2)], sign = ['-sha256'] } = options;
    const lines = ['[req]', 'distinguished_name=dn', 'x509_extensions=v3', '[dn]', '[v3]', ...extensions, ''];
    this.file(`${name}.cnf`, lines.join('\n'));
    this.run(
      ...[
        'req',
        '-x509',
        '-days',
        '2',
        '-config',
        `${name}.cnf`,
        '-subj',
        `/CN=${subject}`,
        '-nodes',
        ...sign,
      ],
      ...['-newkey', ...key, '-keyout', `${name}.key`, '-out', `${name}.pem`],
      ...(issuer === undefined ? [] : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`]),
    );
    return this.read(`${name}.pem`).toString();
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
