import { sign } from 'node:crypto';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

import { namespaceName, serviceName } from '#core/names.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, spkiDer } from '#pki/keys.ts';

import { SigningWorld, WEB_ADDRESS } from '../operator/signing/signing-world.fake.ts';

/**
 * How many certificates one operator process signs per second: the signature alone, and a whole request with every check
 * against an API server that answers at once; beside them the bare ECDSA signature, for what the machine can do at this moment. Run with `npx tsx bench/signing.ts [--seconds 5] [--concurrent 16]`.
 */

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '5' }, concurrent: { type: 'string', default: '16' } },
});
const seconds = Number(values.seconds);
const concurrent = Number(values.concurrent);

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsEach: number;
}

/** Runs `work` in as many lanes as asked for until the time is over. */
async function measure(work: () => Promise<void>): Promise<Figures> {
  for (let index = 0; index < 50; index += 1) await work();
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const lane = async (): Promise<void> => {
    while (performance.now() - begun < seconds * 1000) {
      const at = performance.now();
      await work();
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: concurrent }, lane));
  const elapsed = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number): number => round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return {
    perSecond: Math.round(times.length / elapsed),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    cpuMsEach: round((user + system) / 1000 / times.length),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

const world = await SigningWorld.create();
world.service = world.serviceWith({
  limits: { concurrent: 10_000, addressBurst: 1e9, podBurst: 1e9, addressPerSecond: 1e9, podPerSecond: 1e9 },
});
const who = { namespace: namespaceName('shop'), service: serviceName('web') };
const keys = await generateKeys();
const key = { spki: spkiDer(keys.publicKey), csrPem: createCsr(keys) };
const body = Buffer.from(JSON.stringify({ csr: createCsr(keys), service: 'web' }));

const tbs = Buffer.alloc(500);
const bare = await measure(() => Promise.resolve(void sign('sha256', tbs, keys.privateKey)));
const signature = await measure(async () => {
  await world.authority.signLeaf(who, key);
});
const request = await measure(async () => {
  const { status } = await world.service.sign({
    sourceAddress: WEB_ADDRESS,
    authorization: 'Bearer web-token',
    body: () => Promise.resolve(body),
  });
  if (status !== 200) throw new Error(`the request was answered with ${status}: ${String(world.lastReason)}`);
  world.log.lines.length = 0;
  world.events.told.length = 0;
});

const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
console.log(JSON.stringify({ machine, seconds, concurrent, bare, signature, request }, undefined, 2));
console.log(
  `One operator process signs ${signature.perSecond} certificates per second, checked again before they are handed out; ` +
    `whole requests with every check, ${request.perSecond} per second (p50 ${request.p50Ms} ms, p99 ${request.p99Ms} ms with ${concurrent} at once, ` +
    `${request.cpuMsEach} ms of CPU each), the API server's own time left out. The bare ECDSA signature: ${bare.perSecond} per second.`,
);
