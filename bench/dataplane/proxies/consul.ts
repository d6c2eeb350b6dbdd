import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import type { House } from '../machine/house.ts';
import { freePort } from '../machine/ports.ts';
import type { Running } from '../machine/processes.ts';
import type { MakeProxy, Pair, PairOptions } from './proxy.ts';
import { startPair } from './start-pair.ts';

/**
 * Consul's built-in proxy, with an agent of its own for each pair. Its TLS cannot be configured: certificates (P-256),
 * version and cipher are what it takes. It asks its agent about every connection, and the agent's processor time and memory
 * are not counted as the proxies'.
 */
export const makeConsul: MakeProxy = async (house) => {
  const { root } = await house.debian.unpacked('bullseye', ['consul']);
  const program = join(root, 'usr/bin/consul');
  const said = execFileSync(program, ['version'], { encoding: 'utf8' });
  return {
    name: 'consul',
    kind: 'peer',
    version: /Consul v([\d.]+)/.exec(said)?.[1] ?? 'unknown',
    threads: 'GOMAXPROCS=1',
    start: (options) => start(house, program, options),
  };
};

async function start(house: House, program: string, options: PairOptions): Promise<Pair> {
  const agent = await startAgent(house, program);
  try {
    const command = (side: string, args: readonly string[]) => ({
      title: `consul connect proxy (${side})`,
      program,
      args: ['connect', 'proxy', '-http-addr', agent.url, '-log-level', 'err', ...args],
      env: { GOMAXPROCS: '1' },
    });
    let registered = 0;
    const pair = await startPair(
      house,
      {
        server: (listen, backend) =>
          command('server', [
            ...['-service', 'db', '-listen', `127.0.0.1:${listen}`],
            ...['-service-addr', `127.0.0.1:${backend}`],
          ]),
        client: (listen, peer) => {
          registered = peer;
          return command('client', ['-service', 'web', '-upstream', `db:${listen}`]);
        },
      },
      options,
    );
    await register(agent.url, registered);
    const stop = () => pair.stop().finally(() => house.processes.stop(agent.running));
    return { ...pair, stop };
  } catch (error) {
    await house.processes.stop(agent.running);
    throw error;
  }
}

async function startAgent(house: House, program: string): Promise<{ url: string; running: Running }> {
  const [http, server, serf] = [await freePort(), await freePort(), await freePort()];
  const config = {
    disable_update_check: true,
    ports: { http, https: -1, grpc: -1, dns: -1, server, serf_lan: serf, serf_wan: -1 },
  };
  const running = house.processes.start({
    title: 'consul agent',
    program,
    args: [
      ...['agent', '-dev', '-bind', '127.0.0.1', '-client', '127.0.0.1', '-log-level', 'err'],
      ...['-config-file', house.file('agent.json', JSON.stringify(config))],
    ],
  });
  const url = `http://127.0.0.1:${http}`;
  const deadline = Date.now() + 20_000;
  for (;;) {
    running.requireAlive();
    const roots = await fetch(`${url}/v1/connect/ca/roots`).then(
      (response) => response.ok,
      () => false,
    );
    if (roots) return { url, running };
    if (Date.now() > deadline)
      throw new Error('the consul agent had no certificate authority within 20 seconds');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** So that the client's proxy finds the server's. */
async function register(url: string, port: number): Promise<void> {
  const body = {
    Kind: 'connect-proxy',
    Name: 'db-proxy',
    Address: '127.0.0.1',
    Port: port,
    Proxy: { DestinationServiceName: 'db' },
  };
  const response = await fetch(`${url}/v1/agent/service/register`, {
    method: 'PUT',
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`the consul agent refused the registration: ${await response.text()}`);
}
