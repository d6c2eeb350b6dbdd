import { eventually } from './eventually.ts';
import { logs } from './kubectl.ts';
import type { PodRef } from './kubectl.ts';

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

/** The JSON lines a container has logged; lines that are not JSON are left out. */
async function logLines(pod: PodRef): Promise<readonly LogLine[]> {
  return (await logs(pod)).split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as LogLine];
    } catch {
      return [];
    }
  });
}

/** Waits for a log line that satisfies `matches`, and gives it. */
export function logLine(pod: PodRef, what: string, matches: (line: LogLine) => boolean): Promise<LogLine> {
  return eventually(`a log line of ${pod.name}/${pod.container}: ${what}`, async () =>
    (await logLines(pod)).findLast(matches),
  );
}
