import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { keyFiles } from '../machine/key-files.ts';
import type { KeyFiles } from '../machine/key-files.ts';
import { CIPHER } from './cipher.ts';
import type { MakeProxy } from './proxy.ts';
import { startPair } from './start-pair.ts';

/** stunnel has a thread for each connection and no way to have fewer: it alone may use both cores at once. */
export const makeStunnel: MakeProxy = async (house) => {
  const { root, env } = await house.debian.unpacked('bookworm', ['stunnel4']);
  const program = join(root, 'usr/bin/stunnel4');
  const said = execFileSync('sh', ['-c', '"$0" -version 2>&1', program], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  const client = keyFiles(house, house.certificates.client);
  const server = keyFiles(house, house.certificates.server);
  const command = (side: string, lines: readonly string[]) => ({
    title: `stunnel (${side})`,
    program,
    args: [house.file(`stunnel-${side}.conf`, `${lines.join('\n')}\n`)],
    env,
  });
  return {
    name: 'stunnel',
    kind: 'peer',
    version: /stunnel ([\d.]+)/.exec(said)?.[1] ?? 'unknown',
    threads: 'one for each connection',
    start: (options) =>
      startPair(
        house,
        {
          server: (listen, backend) =>
            command('server', [...service(server, listen, backend), 'client = no']),
          client: (listen, peer) =>
            command('client', [...service(client, listen, peer), 'client = yes', 'checkHost = localhost']),
        },
        options,
      ),
  };
};

function service({ root, cert, key }: KeyFiles, listen: number, to: number): readonly string[] {
  return [
    'foreground = yes',
    'pid =',
    'debug = err',
    '[proxy]',
    `accept = 127.0.0.1:${listen}`,
    `connect = 127.0.0.1:${to}`,
    `cert = ${cert}`,
    `key = ${key}`,
    `CAfile = ${root}`,
    'verifyChain = yes',
    'sslVersionMin = TLSv1.3',
    `ciphersuites = ${CIPHER}`,
  ];
}
