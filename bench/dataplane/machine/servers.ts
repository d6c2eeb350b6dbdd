import { Program } from '../load/program.ts';
import type { House } from './house.ts';
import { unpackNginx } from './nginx.ts';
import { freePort, untilAnswered } from './ports.ts';

/** What stands behind the proxies. */
export interface Servers {
  /** Port of the HTTP server. */
  readonly origin: number;
  /** Port of the program that takes and sends bytes. */
  readonly backend: number;
  readonly program: Program;
  /** What the HTTP server is. */
  readonly originIs: string;
}

const HTTP = `http {
  access_log off;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${name};`).join('\n')}
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server {
    listen 127.0.0.1:PORT backlog=4096;
    location / { return 200 "ok\\n"; }
  }
}
`;

/** Starts the servers: nginx as the origin, or the small one of our own where there is no nginx. */
export async function startServers(house: House): Promise<Servers> {
  const program = await Program.start(house, 'backend');
  const backend = await program.ask<number>('listen');
  try {
    const nginx = await unpackNginx(house);
    const origin = await freePort();
    const running = house.processes.start(
      nginx.command('nginx (origin)', HTTP.replace('PORT', String(origin)), 32_768),
    );
    await untilAnswered(origin, 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n', () => running.requireAlive());
    return { origin, backend, program, originIs: `nginx ${nginx.version}` };
  } catch (error) {
    house.say(`no nginx as the origin, a small server in Node instead: ${(error as Error).message}`);
    return { origin: backend, backend, program, originIs: 'a small server in Node' };
  }
}
