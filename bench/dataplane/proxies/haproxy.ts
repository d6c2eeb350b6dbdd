import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import type { House } from '../machine/house.ts';
import { CIPHER } from './cipher.ts';
import type { MakeProxy } from './proxy.ts';
import { USUAL_STREAMS } from './proxy.ts';
import { startPair } from './start-pair.ts';

/** HAProxy in TCP mode, one thread. Times are long, since idle streams are part of the measurement; all else as it ships. */
export const makeHaproxy: MakeProxy = async (house) => {
  const { root, env } = await house.debian.unpacked('bookworm', ['haproxy']);
  const program = join(root, 'usr/sbin/haproxy');
  const said = execFileSync(program, ['-v'], { env: { ...process.env, ...env }, encoding: 'utf8' });
  const files = filesOf(house);
  const command = (side: string, lines: readonly string[]) => ({
    title: `haproxy (${side})`,
    program,
    args: ['-db', '-q', '-f', house.file(`haproxy-${side}.cfg`, configuration(lines))],
    env,
  });
  const tls = `ca-file ${files.root} verify required ssl-min-ver TLSv1.3 ciphersuites ${CIPHER}`;
  return {
    name: 'haproxy',
    kind: 'peer',
    version: /version ([\d.]+)/.exec(said)?.[1] ?? 'unknown',
    threads: 'nbthread 1',
    start: (options) =>
      startPair(
        house,
        {
          server: (listen, backend) =>
            command('server', [
              `  bind 127.0.0.1:${listen} ssl crt ${files.server} ${tls}`,
              `  server app 127.0.0.1:${backend}`,
            ]),
          client: (listen, peer) =>
            command('client', [
              `  bind 127.0.0.1:${listen}`,
              `  server peer 127.0.0.1:${peer} ssl crt ${files.client} ${tls} verifyhost localhost`,
            ]),
        },
        options,
      ),
  };
};

/** Certificate and key in one file, as HAProxy wants them. */
function filesOf(house: House): { root: string; client: string; server: string } {
  const { rootPem, client, server } = house.certificates;
  return {
    root: house.file('root.pem', rootPem),
    client: house.file('client.pem', client.certPem + client.keyPem),
    server: house.file('server.pem', server.certPem + server.keyPem),
  };
}

function configuration(lines: readonly string[]): string {
  return `global
  nbthread 1
  maxconn ${USUAL_STREAMS}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen proxy
${lines.join('\n')}
`;
}
