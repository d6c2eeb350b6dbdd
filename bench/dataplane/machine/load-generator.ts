import { join } from 'node:path';

import { parseWrk, patientScript } from '../measure/wrk.ts';
import type { WrkFigures } from '../measure/wrk.ts';
import type { House } from './house.ts';

interface WrkOptions {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** How long connections stand open before their first request; counts for nothing. */
  readonly idleSeconds?: number;
  /** Each connection carries one request. */
  readonly close?: boolean;
}

/** Runs wrk once. */
export type Wrk = (options: WrkOptions) => Promise<WrkFigures>;

/** A run in which more fails than this share measures something else. */
const FAILED_SHARE = 0.01;

/** @throws Error with one sentence when there is none for this machine */
export async function unpackWrk(house: House): Promise<Wrk> {
  const { root, env } = await house.debian.unpacked('bookworm', ['wrk']);
  const program = join(root, 'usr/bin/wrk');
  return async (options) => {
    const running = house.processes.start({ title: 'wrk', program, args: argumentsOf(house, options), env });
    let text = '';
    running.child.stdout?.on('data', (more: string) => (text += more));
    try {
      await new Promise((resolve) => running.child.once('close', resolve));
    } finally {
      await house.processes.stop(running);
    }
    const figures = parseWrk(text, options.idleSeconds);
    if (figures.errors > figures.requests * FAILED_SHARE)
      throw new Error(`${figures.errors} of ${figures.requests} requests failed`);
    return figures;
  };
}

function argumentsOf(house: House, options: WrkOptions): readonly string[] {
  const { port, connections, seconds, idleSeconds = 0, close } = options;
  const script = idleSeconds > 0 ? patientScript(connections, idleSeconds * 1000) : undefined;
  return [
    ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds + idleSeconds}s`],
    ...['--latency', '--timeout', '10s'],
    ...(script === undefined ? [] : ['--script', house.file('patient.lua', script)]),
    ...(close ? ['--header', 'Connection: close'] : []),
    `http://127.0.0.1:${port}/`,
  ];
}
