import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const GHOSTUNNEL_VERSION = '1.8.4';

/**
 * A module of its own: what `go install` would build, pinned. The sandbox library is a release because the unreleased version
 * that ghostunnel names is missing from some copies of the checksum database.
 */
const GO_MOD = `module ghostunnel-build

go 1.23

require (
	github.com/ghostunnel/ghostunnel v${GHOSTUNNEL_VERSION}
	github.com/landlock-lsm/go-landlock v0.11.0
)
`;

/**
 * Builds ghostunnel from its Go module, unless that was done before.
 *
 * @returns path of the program
 * @throws Error with one sentence when it cannot be built here
 */
export async function ghostunnelProgram(cache: string): Promise<string> {
  const program = join(cache, `ghostunnel-${GHOSTUNNEL_VERSION}`);
  if (existsSync(program)) return program;
  const module = join(cache, 'ghostunnel-build');
  mkdirSync(module, { recursive: true });
  writeFileSync(join(module, 'go.mod'), GO_MOD);
  const unfinished = `${program}.part`;
  const args = ['build', '-mod=mod', '-o', unfinished, 'github.com/ghostunnel/ghostunnel'];
  try {
    await promisify(execFile)('go', args, { cwd: module, timeout: 600_000 });
  } catch (error) {
    const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') throw new Error('this machine has no go to build it with', { cause: error });
    const last = stderr.trim().split('\n').at(-1) ?? message;
    throw new Error(`go could not build it: ${last}`, { cause: error });
  }
  renameSync(unfinished, program);
  return program;
}
