import { run } from './command.ts';
import type { ClusterBackend } from './backend.ts';
import { DebianBackend } from './debian.ts';

export async function chooseBackend(): Promise<ClusterBackend> {
  await run('true', []);
  return new DebianBackend();
}
