import type { LegEnd, LegEvents } from '../bytes/leg.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** Bytes of which each place can be told from any other: taken from any offset, by any stream. */
const PATTERN = Buffer.alloc(1_048_576);
for (let at = 0, state = 12_345; at < PATTERN.length; at++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
  PATTERN[at] = state >>> 16;
}

/** What a stream says between two offsets. */
function patternOf(seed: number, from: number, to: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = from; at < to;) {
    const start = (seed * 7_919 + at) % PATTERN.length;
    const length = Math.min(to - at, PATTERN.length - start);
    parts.push(PATTERN.subarray(start, start + length));
    at += length;
  }
  return Buffer.concat(parts);
}

/** An application at one end of a stream: says a known text, and checks that it hears one. */
export class StreamEnd implements LegEvents {
  readonly stream: TunnelStream;
  readonly #says: number;
  readonly #hears: number;
  said = 0;
  heard = 0;
  hasEnded = false;
  peerEnded = false;
  drains = 0;
  paused = false;
  /** What came while it was paused. */
  heardPaused = 0;
  end: LegEnd | undefined;
  readonly faults: string[] = [];

  /** @param says seed of what this end says; the other end says `hears` */
  constructor(stream: TunnelStream, says: number, hears: number) {
    this.stream = stream;
    this.#says = says;
    this.#hears = hears;
  }

  say(bytes: number): boolean {
    if (this.hasEnded || this.end) return true;
    const chunk = patternOf(this.#says, this.said, this.said + bytes);
    this.said += bytes;
    const more = this.stream.write(chunk);
    // Whoever says that it copies must have done so.
    if (this.stream.copies) chunk.fill(0);
    return more;
  }

  finish(): void {
    this.hasEnded = true;
    this.stream.end();
  }

  pause(): void {
    this.paused = true;
    this.heardPaused = 0;
    this.stream.pause();
  }

  resume(): void {
    this.paused = false;
    this.stream.resume();
  }

  onData(chunk: Buffer): void {
    if (this.end) this.faults.push('data after the close');
    if (this.peerEnded) this.faults.push('data after the end');
    const expected = patternOf(this.#hears, this.heard, this.heard + chunk.length);
    if (!chunk.equals(expected)) this.faults.push(`other bytes than were said, from ${this.heard} on`);
    this.heard += chunk.length;
    if (this.paused) this.heardPaused += chunk.length;
  }

  onEnd(): void {
    if (this.end) this.faults.push('an end after the close');
    if (this.peerEnded) this.faults.push('a second end');
    this.peerEnded = true;
  }

  onDrain(): void {
    this.drains += 1;
  }

  onClose(end: LegEnd): void {
    if (this.end) this.faults.push('a second close');
    this.end = end;
  }
}
