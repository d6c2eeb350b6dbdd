import { SoleLeader } from './sole-leader.ts';

test('leads once, from its start until it is told to end, and waits for the work', async () => {
  const events: string[] = [];
  const leader = new SoleLeader(async (term) => {
    events.push('begun');
    await new Promise((resolve) => term.addEventListener('abort', resolve));
    await Promise.resolve();
    events.push('ended');
  });
  expect(leader.isLeader).toBe(false);
  leader.start();
  leader.start();
  expect([leader.isLeader, events]).toEqual([true, ['begun']]);
  await Promise.all([leader.stop(), leader.stop()]);
  expect([leader.isLeader, events]).toEqual([false, ['begun', 'ended']]);
});

test('one that never began ends at once', async () => {
  const leader = new SoleLeader(() => Promise.reject(new Error('never')));
  await leader.stop();
  expect(leader.isLeader).toBe(false);
});
