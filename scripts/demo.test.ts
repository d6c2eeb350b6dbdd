import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NOTHING_OF_LINUX = fileURLToPath(new URL('nothing-of-linux.fake.mjs', import.meta.url));

/** Runs a program that meets what it would not find on macOS. */
function elsewhere(args: readonly string[]): Promise<{ ok: boolean; stdout: string; stderr: string }> {
  const env = { ...process.env, NODE_OPTIONS: `--import ${NOTHING_OF_LINUX}`, NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT, env, timeout: 100_000 }, (error, stdout, stderr) =>
      resolve({ ok: error === null, stdout, stderr }),
    );
  });
}

test('the demo shows a refusal, a rule and a cut, with nothing that only Linux has', async () => {
  const { ok, stdout, stderr } = await elsewhere(['node_modules/tsx/dist/cli.mjs', 'scripts/demo.ts']);
  expect(stderr).not.toContain('only on Linux');
  expect(stdout).toMatch(
    /nothing is allowed[^]*failed[^]*allow\.yaml[^]*200 hello[^]*deny\.yaml[^]*was cut[^]*done/,
  );
  expect(ok).toBe(true);
}, 120_000);

test.each([
  ['a file of the kernel', `require('node:fs').readFileSync('/proc/self/status')`],
  ['a second loopback address', `require('node:net').createServer().listen(0, '127.0.0.2')`],
  ['the C library', `require('koffi')`],
  ['a program for networks', `require('node:child_process').spawn('nft', ['list', 'ruleset'])`],
])('what only Linux has would be noticed: %s', async (_, script) => {
  const { ok, stderr } = await elsewhere(['-e', script]);
  expect([ok, stderr.includes('only on Linux')]).toEqual([false, true]);
});
