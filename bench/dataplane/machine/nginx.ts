import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import type { House } from './house.ts';
import type { Start } from './processes.ts';

/** nginx as it was unpacked, which serves both as the origin and as a proxy. */
export interface Nginx {
  readonly version: string;
  readonly program: string;
  /** A command that runs it with this configuration, everything it writes in the house's folder. */
  command(title: string, context: string, connections: number): Start;
}

/** @throws Error with one sentence when there is none for this machine */
export async function unpackNginx(house: House): Promise<Nginx> {
  const { root, env } = await house.debian.unpacked('bookworm', ['nginx', 'libnginx-mod-stream']);
  const program = join(root, 'usr/sbin/nginx');
  const module = join(root, 'usr/lib/nginx/modules/ngx_stream_module.so');
  const said = execFileSync('sh', ['-c', '"$0" -v 2>&1', program], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return {
    program,
    version: /nginx\/([\d.]+)/.exec(said)?.[1] ?? 'unknown',
    command: (title, context, connections) => {
      const text = `${context.startsWith('stream') ? `load_module ${module};\n` : ''}daemon off;
user root;
worker_processes 1;
error_log stderr error;
pid ${house.file('nginx.pid', '')};
events { worker_connections ${connections}; }
${context}`;
      const args = ['-p', house.dir, '-e', 'stderr', '-c', house.file('nginx.conf', text)];
      return { title, program, args, env };
    },
  };
}
