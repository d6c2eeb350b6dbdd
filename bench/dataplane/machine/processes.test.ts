import { Processes } from './processes.ts';

const processes = new Processes();

afterEach(() => processes.killAll());

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a program that was stopped is gone, with its children, even when it will not hear', async () => {
  const script = 'trap "" TERM; sleep 60 & echo $!; wait; sleep 60';
  const deaf = processes.start({ title: 'deaf', program: 'sh', args: ['-c', script] });
  const child = await new Promise<number>((resolve) =>
    deaf.child.stdout?.once('data', (text: string) => resolve(Number(text))),
  );
  expect(isAlive(child)).toBe(true);
  await processes.stop(deaf);
  expect(isAlive(deaf.pid)).toBe(false);
});

test('who has ended is missed, with the end of its output', async () => {
  const brief = processes.start({
    title: 'brief',
    program: 'sh',
    args: ['-c', 'echo no such file >&2; exit 1'],
  });
  await new Promise((resolve) => brief.child.once('close', resolve));
  expect(() => brief.requireAlive()).toThrow('brief has ended: no such file');
});
