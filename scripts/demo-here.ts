import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

import { parse } from 'yaml';

import type { Intention } from '#core/model/intention.ts';
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { INTENTIONS, NAMESPACES } from '#kube/types.ts';
import { startDev } from '#local/dev/dev.ts';
import type { Dev } from '#local/dev/dev.ts';
import { MESH_NAMESPACE } from '#local/dev/names.ts';
import { joinMesh } from '#local/run/run.ts';
import type { Running } from '#local/run/run.ts';

import { freePort } from '../bench/dataplane/machine/ports.ts';
import { Story, dim, green, red } from './story.ts';

const NAMESPACE = 'shop';
const HELLO = 'examples/hello/hello.mjs';
const PATIENCE_MS = 20_000;
const ASK_EVERY_MS = 100;

/**
 * The main job in one process: API server, operator and two services with sidecars; a call refused by default, allowed by an
 * intention, and cut off by another.
 *
 * @param keep stays up until Ctrl-C
 * @returns the exit code
 */
export async function demoHere(keep: boolean): Promise<number> {
  const story = new Story();
  const ends: (() => Promise<unknown>)[] = [];
  const interrupted = new Promise<void>((resolve) =>
    process.once('SIGINT', resolve).once('SIGTERM', resolve),
  );
  try {
    await Promise.race([show(story, ends, keep), interrupted]);
    if (keep) await interrupted;
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function show(story: Story, ends: (() => Promise<unknown>)[], keep: boolean): Promise<void> {
  story.step('mesh dev: a Kubernetes API, a certificate authority and the operator, in this process');
  const dev = await startDev({
    ...{ folder: undefined, host: '127.0.0.1', port: 0, clock: systemClock, log: silentLog },
  });
  ends.push(() => dev.stop());
  const api = new KubeClient({ config: dev.api.admin, userAgent: 'demo' });
  ends.push(() => Promise.resolve(api.close()));
  await api.create(NAMESPACES, { metadata: { name: NAMESPACE } });

  story.step('two services join, each with a sidecar and an identity of its own');
  const [dbPort, upstreamPort] = [await freePort(), await freePort()];
  const db = await join(dev, 'db', { port: dbPort });
  ends.push(() => db.stop());
  const server = hello(['server'], { PORT: String(dbPort) });
  ends.push(() => ended(server));
  const web = await join(dev, 'web', { upstreams: [{ service: 'db', localPort: upstreamPort }] });
  ends.push(() => web.stop());
  const client = hello(['client', `http://127.0.0.1:${upstreamPort}/`], { EVERY_MS: String(ASK_EVERY_MS) });
  ends.push(() => ended(client));
  const said = linesOf(client);
  story.line(
    dim(
      `db listens on 127.0.0.1:${dbPort}; web reaches it at 127.0.0.1:${upstreamPort}, through both sidecars`,
    ),
  );

  story.step('nothing is allowed until a rule says so:');
  story.line(red(`web: ${await said(/failed/)}`));

  await change(api, story, 'examples/hello/allow.yaml', async () => {
    story.line(green(`web: ${await said(/ 200 /)}`));
  });
  const { socket, closed } = await openConnection(upstreamPort);
  story.step('web opens a connection that stays open, and');
  await change(api, story, 'examples/hello/deny.yaml', async () => {
    await closed;
    socket.destroy();
    story.line(red('the open connection was cut'));
  });
  story.line(red(`web: ${await said(/failed/)}`));
  await showRules(api, story);
  story.step('done');
  console.log(next(dev, keep));
  if (keep)
    client.stdout?.on('data', (text: Buffer) =>
      process.stdout.write(dim(text.toString().replace(/^/gm, '  web: '))),
    );
}

/** Applies a file, and tells how long it took until `seen`. */
async function change(api: KubeClient, story: Story, file: string, seen: () => Promise<void>): Promise<void> {
  story.step(`as kubectl apply -f ${file} does:`);
  const began = performance.now();
  const intention = parse(readFileSync(file, 'utf8')) as Intention;
  await api.apply(INTENTIONS, intention, 'demo');
  await seen();
  story.line(dim(`${Math.round(performance.now() - began)} ms from that to the effect`));
}

async function showRules(api: KubeClient, story: Story): Promise<void> {
  const { items } = await api.list(INTENTIONS, { namespace: NAMESPACE });
  for (const { metadata, spec, status } of items) {
    const precedence = status?.precedence === undefined ? '' : `, precedence ${status.precedence}`;
    const rule = `${spec?.source.service ?? ''} -> ${spec?.destination.service ?? ''}: ${spec?.action ?? ''}`;
    story.line(`the rule ${metadata.name} now: ${rule}${precedence}`);
  }
}

function next(dev: Dev, keep: boolean): string {
  if (!keep) {
    return `
What to try next:
  npm run demo -- --keep      stay in it, with kubectl if you have it
  npm run mesh -- dev         a mesh of your own; it says how your programs join
  npm run demo -- --cluster   the same between pods of a real Kubernetes cluster`;
  }
  return `
It stays up. In another terminal:
  export KUBECONFIG=${dev.kubeconfig}
  kubectl get intentions,meshservices,pods -n ${NAMESPACE}
  kubectl apply -f examples/hello/allow.yaml
  kubectl explain intention.spec
Ctrl-C ends it. What web says:`;
}

function join(dev: Dev, service: string, more: object): Promise<Running> {
  const options = {
    namespace: NAMESPACE,
    service,
    port: undefined,
    upstreams: [],
    waitMs: 0,
    meshNamespace: MESH_NAMESPACE,
  };
  const deps = { cluster: dev.api.admin, clock: systemClock, say: () => undefined };
  return joinMesh({ ...options, ...more }, deps, new AbortController().signal);
}

function hello(args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [HELLO, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, 'close');
}

/** Waits for the next line that matches. */
function linesOf(child: ChildProcess): (pattern: RegExp) => Promise<string> {
  return (pattern) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`web did not say ${pattern.source}`)), PATIENCE_MS);
      const look = (text: Buffer): void => {
        const line = text
          .toString()
          .split('\n')
          .find((one) => pattern.test(one));
        if (line === undefined) return;
        clearTimeout(timer);
        child.stdout?.off('data', look);
        resolve(line);
      };
      child.stdout?.on('data', look);
    });
}

/** An HTTP connection that has had one answer, and stays open. */
async function openConnection(
  port: number,
): Promise<{ readonly socket: Socket; readonly closed: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1');
  const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
  socket.write('GET / HTTP/1.1\r\nHost: db\r\n\r\n');
  await once(socket, 'data');
  return { socket, closed };
}
