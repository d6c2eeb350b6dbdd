import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Command } from './command.ts';
import { CliError } from '../cli-error.ts';

const node = (script: string): readonly string[] => [process.execPath, '-e', script];

test('the exit code of the command is passed on', async () => {
  expect(await (await Command.start(node('process.exit(7)'), process.env)).ended).toBe(7);
});

test('a command that a signal ended has the code a shell gives it', async () => {
  const command = await Command.start(node('setInterval(() => {}, 1000)'), process.env);
  command.signal('SIGTERM');
  expect(await command.ended).toBe(143);
});

test('a command that is not there has code 127, one that cannot be run 126', async () => {
  const fault = (program: string) => Command.start([program], process.env).catch((error: unknown) => error);
  expect(await fault('no-such-command-anywhere')).toEqual(
    expect.objectContaining({ exitCode: 127, message: 'there is no command "no-such-command-anywhere"' }),
  );
  const folder = mkdtempSync(join(tmpdir(), 'mesh-command-'));
  writeFileSync(join(folder, 'notes'), 'no program', { mode: 0o644 });
  const denied = await fault(join(folder, 'notes'));
  rmSync(folder, { recursive: true });
  expect(denied).toBeInstanceOf(CliError);
  expect((denied as CliError).exitCode).toBe(126);
});
