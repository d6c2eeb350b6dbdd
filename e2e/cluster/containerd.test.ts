import { describe, expect, test } from '@jest/globals';

import { importArchive } from './containerd.ts';

const node = { pid: 1, runDir: '/nowhere' };
const done = 'unpacking mesh.dev/sidecar:e2e (sha256:53d7)...done\n';
const taken = new Error(
  'ctr: failed to prepare extraction snapshot "extract-46-I9wH sha256:42e8": parent snapshot sha256:0356 does not exist: not found',
);

/** A `ctr` that gives these answers, one after the other, and counts how often it was asked. */
function fakeCtr(...answers: (string | Error)[]) {
  let asked = 0;
  const run = (): Promise<string> => {
    const answer = answers[asked++];
    return typeof answer === 'string'
      ? Promise.resolve(answer)
      : Promise.reject(answer ?? new Error('asked too often'));
  };
  return { run, asked: () => asked };
}

describe('importing an archive', () => {
  test('tells the names of its images', async () => {
    await expect(importArchive(node, 'a.tar', fakeCtr(done).run)).resolves.toEqual(['mesh.dev/sidecar:e2e']);
  });

  test('begins again when a layer was collected in the middle', async () => {
    await expect(importArchive(node, 'a.tar', fakeCtr(taken, done).run)).resolves.toEqual([
      'mesh.dev/sidecar:e2e',
    ]);
  });

  test('begins again once only', async () => {
    const ctr = fakeCtr(taken, taken, done);
    await expect(importArchive(node, 'a.tar', ctr.run)).rejects.toThrow('does not exist');
    expect(ctr.asked()).toBe(2);
  });

  test('does not try twice what containerd refuses for another reason', async () => {
    const ctr = fakeCtr(new Error('ctr: unrecognized image format'), done);
    await expect(importArchive(node, 'a.tar', ctr.run)).rejects.toThrow('unrecognized image format');
    expect(ctr.asked()).toBe(1);
  });
});
