import cluster from 'node:cluster';

import type { FromWorker, ToWorker } from './messages.ts';
import { readFromWorker } from './messages.ts';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** One worker as the primary sees it. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  /** Loses the message when the worker is gone. */
  send(message: ToWorker): void;
  kill(signal: NodeJS.Signals): void;
}

export interface WorkerEvents {
  readonly onMessage: (message: FromWorker) => void;
  /** Called once; also when the process could not be started. */
  readonly onExit: (exit: Exit) => void;
}

/** Starts a worker with these variables besides our own. */
export type ForkWorker = (env: Readonly<Record<string, string>>, events: WorkerEvents) => WorkerProcess;

/** The command line argument that makes the same program a worker. */
const WORKER_COMMAND = 'worker';

/**
 * Prepares this process to be the primary of others of the same program, which share its listening ports.
 *
 * @returns what starts one
 */
export function clusterFork(): ForkWorker {
  // In turns. With SCHED_NONE the kernel wakes whoever it likes: of 20 connections that came one by one, 3 went to one of two
  // workers and 17 to the other. A tunnel lasts for days, so where the few of them go has to be even.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({ args: [WORKER_COMMAND] });
  return (env, { onMessage, onExit }) => {
    const worker = cluster.fork(env);
    worker.on('message', (value: unknown) => {
      const message = readFromWorker(value);
      if (message) onMessage(message);
    });
    worker.once('exit', (code: number | null, signal: string | null) => onExit({ code, signal }));
    // What cannot be sent any more is followed by an exit; what could not be started is not.
    worker.on('error', () => {
      if (worker.process.pid === undefined) onExit({ code: null, signal: null });
    });
    return {
      pid: worker.process.pid,
      send: (message) => {
        if (worker.isConnected()) worker.process.send(message, () => undefined);
      },
      kill: (signal) => void worker.process.kill(signal),
    };
  };
}
