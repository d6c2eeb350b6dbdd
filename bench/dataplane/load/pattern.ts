const BLOCK = 1024 * 1024;
/** How much of each chunk is compared: its beginning, which is enough to see bytes lost, doubled or out of order. */
const COMPARED = 64;

/** What is sent in bulk, again and again: a mebibyte that repeats nothing, and cannot be compressed. */
export const PATTERN = makePattern();
const DOUBLED = Buffer.concat([PATTERN, PATTERN.subarray(0, COMPARED)]);

function makePattern(): Buffer {
  const block = Buffer.alloc(BLOCK);
  // xorshift32: the same in every process.
  let state = 0x9e3779b9;
  for (let at = 0; at < BLOCK; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    block.writeInt32LE(state | 0, at);
  }
  return block;
}

/** Counts the bytes of one stream, and chunks that are not the pattern from where the last one ended. */
export class PatternCheck {
  received = 0;
  faults = 0;

  take(chunk: Buffer): void {
    const length = Math.min(COMPARED, chunk.length);
    const at = this.received % BLOCK;
    if (chunk.compare(DOUBLED, at, at + length, 0, length) !== 0) this.faults += 1;
    this.received += chunk.length;
  }
}
