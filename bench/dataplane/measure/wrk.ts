/** What one run of wrk found. Times in milliseconds. */
export interface WrkFigures {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Connections that failed or were closed too early, requests that took too long, and answers that tell of a fault. */
  readonly errors: number;
}

const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * A script for wrk: every connection waits before its first request, so that what connecting costs (handshakes between
 * proxies) is over before anything is counted.
 */
export function patientScript(connections: number, milliseconds: number): string {
  return `local calls = 0
function delay()
  calls = calls + 1
  if calls <= ${connections} then return ${milliseconds} end
  return 0
end
`;
}

/**
 * Reads what `wrk --latency` prints.
 *
 * @param idleSeconds how long it waited before the first request
 * @throws Error when there are no figures in it
 */
export function parseWrk(text: string, idleSeconds = 0): WrkFigures {
  const requests = Number(/^\s*(\d+) requests in /m.exec(text)?.[1] ?? NaN);
  const overall = Number(/^Requests\/sec:\s+([\d.]+)/m.exec(text)?.[1] ?? NaN);
  // More precise than the time it prints.
  const seconds = requests / overall - idleSeconds;
  const figures = {
    requests,
    requestsPerSecond: requests / seconds,
    p50: latency(text, '50'),
    p99: latency(text, '99'),
    errors: errorsIn(text),
  };
  if (Object.values(figures).some((value) => !Number.isFinite(value)) || requests === 0)
    throw new Error(`wrk printed no figures: ${text.trim().slice(-300)}`);
  return figures;
}

function latency(text: string, share: string): number {
  const [, value, unit = ''] =
    new RegExp(`^\\s+${share}%\\s+([\\d.]+)(us|ms|s|m|h)\\s*$`, 'm').exec(text) ?? [];
  return Number(value ?? NaN) * (MILLISECONDS[unit] ?? NaN);
}

function errorsIn(text: string): number {
  const sockets = /Socket errors: (.*)/.exec(text)?.[1]?.match(/\d+/g) ?? [];
  const answers = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? '0';
  return [...sockets, answers].reduce((sum, number) => sum + Number(number), 0);
}
