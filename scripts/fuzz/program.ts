import {
  frameBytes,
  helloBytes,
  numberBytes,
  openBytes,
} from '#sidecar/dataplane/tunnel/frames/frames.fake.ts';
import { FRAME, SETTING } from '#sidecar/dataplane/tunnel/frames/protocol.ts';

import { Random } from './random.ts';

/**
 * Who is tried: a session that takes streams, one that opens them, each against a peer that may say anything; or both, with
 * their bytes bent on the way.
 */
type Target = 'acceptor' | 'dialer' | 'both';

/** What a session is made to do by its own side. */
const OWN = [
  'open',
  'accept',
  'refuse',
  'write',
  'end',
  'reset',
  'pause',
  'resume',
  'vouch',
  'goAway',
  'close',
] as const;

export type Step =
  /** The peer says these bytes, in pieces of so many. */
  | { readonly do: 'say'; readonly hex: string; readonly cut: number }
  /** `side`: 0 the dialer, 1 the acceptor; `number` picks a stream, a size. */
  | { readonly do: 'own'; readonly side: 0 | 1; readonly what: (typeof OWN)[number]; readonly number: number }
  | { readonly do: 'deliver'; readonly side: 0 | 1; readonly bytes: number; readonly bend: number }
  | { readonly do: 'turn' }
  | { readonly do: 'advance'; readonly ms: number };

export interface Program {
  readonly target: Target;
  readonly steps: readonly Step[];
}

/** What the peer of the session knows of its streams. */
interface Known {
  streams: number;
  readonly ended: Set<number>;
  readonly accepted: Set<number>;
}

/** A program that is the same for the same seed. */
export function programOf(seed: number): Program {
  const random = new Random(seed);
  const target = random.of<Target>(['acceptor', 'acceptor', 'dialer', 'dialer', 'both']);
  const length = random.of([5, 20, 60, 200]);
  const wildness = random.of([0, 0.02, 0.1, 0.5]);
  const known: Known = { streams: 0, ended: new Set(), accepted: new Set() };
  const steps: Step[] = [];
  if (target !== 'both' && random.chance(0.95)) steps.push(say(random, hello(random), wildness));
  while (steps.length < length) steps.push(step(random, target, known, wildness));
  return { target, steps };
}

function step(random: Random, target: Target, known: Known, wildness: number): Step {
  const kind = random.next();
  if (kind < 0.12) return { do: 'turn' };
  if (kind < 0.22) return deliver(random, wildness);
  if (kind < 0.225) return { do: 'advance', ms: random.of([10, 1_000, 5_000, 10_000]) };
  if (target === 'both' || kind < 0.45) return own(random, target, known);
  const frames = Array.from({ length: random.of([1, 1, 1, 4, 30]) }, () => frame(random, target, known));
  return say(random, Buffer.concat(frames), wildness);
}

function deliver(random: Random, wildness: number): Step {
  const bend = random.chance(wildness / 4) ? random.between(1, 0x7fff_ffff) : 0;
  return { do: 'deliver', side: random.of([0, 1]), bytes: random.of([1, 7, 500, 70_000]), bend };
}

function own(random: Random, target: Target, known: Known): Step {
  const side = target === 'both' ? random.of([0, 1] as const) : target === 'dialer' ? 0 : 1;
  const rare = random.chance(0.02);
  const usual = OWN.slice(0, 9).filter((what) =>
    side === 0 ? what !== 'accept' && what !== 'refuse' : what !== 'open',
  );
  const what = rare
    ? random.of(OWN)
    : random.of(side === 0 ? [...usual, 'open' as const] : [...usual, 'accept' as const]);
  if (what === 'open') known.streams += 1;
  return { do: 'own', side, what, number: random.between(0, 0xffff) };
}

function say(random: Random, bytes: Buffer, wildness: number): Step {
  const bent = random.chance(wildness) ? mutate(random, bytes) : bytes;
  // Byte by byte only what is short: the rest takes time and finds nothing more.
  const cut = bent.length < 2_000 ? random.of([1, 3, 8, 100, 20_000]) : random.of([500, 1_400, 20_000]);
  return { do: 'say', hex: bent.toString('hex'), cut };
}

function hello(random: Random): Buffer {
  if (random.chance(0.5)) return helloBytes();
  return helloBytes([
    [SETTING.streamWindow, random.of([32_768, 100_000, 0x7fff_ffff, 0xffff_ffff])],
    [SETTING.maxStreams, random.of([1_024, 5_000])],
    [random.between(4, 65_535), random.between(0, 0xffff_ffff)],
  ]);
}

/** Makes a frame for a stream, of a size where it has one. */
type Make = (random: Random, id: number, size: number) => Buffer;

const reason: Make = (random) =>
  Buffer.concat([Buffer.from([0, random.between(0, 20)]), random.bytes(random.of([0, 5, 600]))]);
const FRAMES: readonly Make[] = [
  (random, id) => frameBytes(FRAME.reset, id, reason(random, id, 0)),
  (random, id) => frameBytes(FRAME.credit, id, numberBytes(random.of([1, 16_384, 1_048_576, 0x7fff_ffff]))),
  (random) => frameBytes(FRAME.credit, 0, numberBytes(random.of([1, 1_048_576]))),
  (random) => frameBytes(FRAME.ping, 0, random.bytes(random.of([0, 8, 1_024]))),
  (_random, id) => frameBytes(FRAME.accept, id),
  (random) => frameBytes(FRAME.vouch, 0, random.bytes(32)),
  (random, id, size) => frameBytes(random.between(11, 255), id, Buffer.alloc(size)),
  () => frameBytes(FRAME.pong),
];

/** What a stream that was opened gets first. */
function answer(random: Random, known: Known, id: number): Buffer {
  if (random.chance(0.2)) return frameBytes(random.of([FRAME.end, FRAME.reset]), id, reason(random, id, 0));
  known.accepted.add(id);
  return frameBytes(FRAME.accept, id);
}

/** Anything that belongs to a stream, or to none. */
function later(random: Random, target: Target, known: Known, id: number): Buffer {
  const size = random.of([0, 1, 10, 1_000, 16_384, 32_768]);
  if (random.chance(0.4) && (!known.ended.has(id) || random.chance(0.05))) {
    return frameBytes(FRAME.data, id, Buffer.alloc(size, id));
  }
  if (random.chance(0.15)) {
    known.ended.add(id);
    return frameBytes(FRAME.end, id);
  }
  if (random.chance(0.01)) return frameBytes(FRAME.goAway, 0, reason(random, id, 0));
  return random.of(
    target === 'acceptor' ? FRAMES.filter((_, index) => index !== 4 || random.chance(0.05)) : FRAMES,
  )(random, id, size);
}

/** A frame that the peer may send now, or one of those that it just may not. */
function frame(random: Random, target: Target, known: Known): Buffer {
  if (target === 'acceptor' && random.chance(0.3)) {
    known.streams += random.chance(0.05) ? random.between(1, 50) : 1;
    return openBytes(known.streams, random.of([80, 443, 65_535]));
  }
  if (known.streams === 0 && random.chance(0.95)) return frameBytes(FRAME.ping);
  const id = random.chance(0.02)
    ? random.between(0, 0xffff_ffff)
    : random.between(1, Math.max(1, known.streams));
  if (target === 'dialer' && !known.accepted.has(id) && random.chance(0.8)) return answer(random, known, id);
  return later(random, target, known, id);
}

/** Something else than was meant: a byte, a length, a part that is missing, twice there or foreign. */
function mutate(random: Random, bytes: Buffer): Buffer {
  const at = random.between(0, Math.max(0, bytes.length - 1));
  const to = Math.min(bytes.length, at + random.of([1, 2, 8, 50]));
  switch (random.between(0, 5)) {
    case 0: {
      const bent = Buffer.from(bytes);
      if (bent.length > 0) bent[at] = bent[at]! ^ (1 << random.between(0, 7));
      return bent;
    }
    case 1:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(random.between(1, 20)), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]);
    case 4:
      return random.bytes(random.between(1, 100));
    default: {
      const bent = Buffer.from(bytes);
      if (bent.length > 3) bent.writeUIntBE(random.of([0, 1, 1_025, 65_537, 0xff_ffff]), 0, 3);
      return bent;
    }
  }
}
