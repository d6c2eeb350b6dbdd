import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

import type { ServerProcess } from '#operator/ca/server-process.fake.ts';

import { Debian } from '#base/testing/debian.ts';

/** A program and what comes before its own arguments. */
export type Command = readonly [program: string, ...args: string[]];

interface Place {
  readonly address: string;
  readonly port: number;
}

/**
 * nginx reads all of a header since 1.23.2 and HAProxy since 2.9, so they come from Debian trixie with the libraries that they
 * need, the C library included: those of this machine may be older.
 */
const LIBRARIES = ['libc6', 'libcrypt1', 'libgcc-s1', 'libpcre2-8-0', 'libssl3t64', 'zlib1g'];
const FOR_HAPROXY = [
  ...['libjemalloc2', 'liblua5.4-0', 'libopentracing-c-wrapper0t64', 'libopentracing1', 'libstdc++6'],
];

/** Takes nginx and HAProxy of Debian trixie into a folder. @returns the reason where that cannot be done */
export async function realServers(): Promise<
  { readonly nginx: Command; readonly haproxy: Command } | string
> {
  const debian = new Debian(join(homedir(), '.cache', 'mesh', 'debian-proxies'));
  try {
    const nginx = await debian.unpacked('trixie', ['nginx', ...LIBRARIES]);
    const haproxy = await debian.unpacked('trixie', ['haproxy', ...LIBRARIES, ...FOR_HAPROXY]);
    return {
      nginx: withOwnLibraries(nginx.root, 'nginx'),
      haproxy: withOwnLibraries(haproxy.root, 'haproxy'),
    };
  } catch (error) {
    return (error as Error).message.split('\n')[0] ?? 'unknown';
  }
}

function withOwnLibraries(root: string, program: string): Command {
  const path = join(root, 'usr', 'sbin', program);
  const folders = join(root, 'usr', 'lib');
  for (const folder of existsSync(folders) ? readdirSync(folders) : []) {
    const libraries = join(folders, folder);
    const loader = folder.endsWith('-linux-gnu')
      ? readdirSync(libraries).find((name) => name.startsWith('ld-linux'))
      : undefined;
    if (loader) return [join(libraries, loader), '--library-path', libraries, path];
  }
  return [path];
}

/** An nginx that answers with the contents of the PROXY protocol header. */
export async function startNginx(
  process: ServerProcess,
  [program, ...args]: Command,
  { address, port }: Place,
): Promise<void> {
  const said = [
    ...['addr', 'port', 'server_addr', 'server_port'].map((name) => `$proxy_protocol_${name}`),
    ...['0xE5', 'ssl_verify', 'ssl_version'].map((name) => `$proxy_protocol_tlv_${name}`),
  ].join('|');
  const folder = process.file('empty', '').replace(/empty$/, '');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder};`,
  );
  const config = process.file(
    'nginx.conf',
    `daemon off; master_process off; pid ${folder}pid; error_log stderr notice; events {}
     http { access_log off; ${paths.join(' ')}
       server { listen ${address}:${port} proxy_protocol; location / { return 200 "${said}"; } } }`,
  );
  await process.start(
    program,
    [...args, '-e', 'stderr', '-p', folder, '-c', config],
    /start worker|using the/,
  );
}

/** A HAProxy that answers with the contents of the PROXY protocol header. */
export async function startHaproxy(
  process: ServerProcess,
  [program, ...args]: Command,
  { address, port }: Place,
): Promise<void> {
  const config = process.file(
    'haproxy.cfg',
    `defaults
  mode http
  timeout client 5s
frontend db
  bind ${address}:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src]|%[src_port]|%[dst]|%[dst_port]|%[fc_pp_tlv(0xE5)]"
`,
  );
  await process.start(program, [...args, '-V', '-f', config], /Using epoll/);
  await listening({ address, port });
}

async function listening({ address, port }: Place): Promise<void> {
  for (;;) {
    const socket = connect(port, address);
    const connected = await new Promise((resolve) =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    );
    socket.destroy();
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
