import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { systemClock } from '#base/clock.ts';

import { ObjectStore } from './object-store.ts';
import { sqliteJournal } from './sqlite-journal.ts';

/** `MESH_KILLS=200` for the long run. */
const KILLS = Number(process.env.MESH_KILLS ?? 8);
const CHILD = fileURLToPath(new URL('writing-child.fake.ts', import.meta.url));

test(
  `${KILLS} times killed in the middle of its writes, the store loses nothing it acknowledged`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mesh-kill-'));
    const file = join(folder, 'data');
    let acknowledged = 0;
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const before = acknowledged;
        acknowledged = await writeUntilKilled(file, acknowledged, 5 + Math.random() * 60);
        const store = new ObjectStore(sqliteJournal(file));
        check(store, acknowledged);
        // The next begins after what may have been written without being acknowledged.
        acknowledged = newest(store, acknowledged);
        store.close();
        expect(acknowledged).toBeGreaterThan(before);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  30_000 + KILLS * 3_000,
);

/** @returns the last number that was acknowledged */
async function writeUntilKilled(file: string, from: number, afterMs: number): Promise<number> {
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, file, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const closed = new Promise((resolve) => child.once('close', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  await systemClock.sleep(afterMs);
  child.kill('SIGKILL');
  await closed;
  // The last line may be cut off.
  return Number(said.split('\n').slice(0, -1).at(-1) ?? from);
}

/** What the child did at a number: each of 50 names was written last, or deleted, by the newest number it got. */
function check(store: ObjectStore, acknowledged: number): void {
  for (let number = Math.max(1, acknowledged - 49); number <= acknowledged; number++) {
    const found = store.get('/configmaps', `n${number % 50}`)?.data as { number: number } | undefined;
    if (number % 7 === 0)
      expect(found === undefined || found.number > acknowledged || found.number === number).toBe(true);
    else expect(found === undefined ? isDeletedLater(number, acknowledged) : found.number).toBeTruthy();
    if (found) expect(found.number).toBeGreaterThanOrEqual(number);
  }
}

/** One write after the last acknowledged one may have happened: a deletion of the same name. */
function isDeletedLater(number: number, acknowledged: number): boolean {
  const next = number + 50;
  return next > acknowledged && next % 7 === 0;
}

function newest(store: ObjectStore, acknowledged: number): number {
  const numbers = store.list('/configmaps').map(({ data }) => (data as { number: number }).number);
  return Math.max(acknowledged, ...numbers);
}
