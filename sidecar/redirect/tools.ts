import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** How a program ended. */
export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The program does not exist. */
  readonly missing?: boolean;
}

/** What loading rules needs from the machine. */
export interface Tools {
  /** Runs a program, never through a shell, with `input` on its standard input. */
  run(program: string, args: readonly string[], input: string): Promise<ToolResult>;
  /** Whether this process may change the network of its namespace. */
  hasNetAdmin(): boolean;
  hasIpv6(): boolean;
}

const CAP_NET_ADMIN = 12n;
const TIMEOUT_MS = 30_000;

/** The machine this process runs on. */
export const hostTools: Tools = {
  run: (program, args, input) => runProgram(program, args, input),
  hasNetAdmin: () => {
    const capabilities =
      /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
    return ((BigInt(`0x${capabilities}`) >> CAP_NET_ADMIN) & 1n) === 1n;
  },
  // One line per address: none where IPv6 is switched off.
  hasIpv6: () => existsSync('/proc/net/if_inet6') && readFileSync('/proc/net/if_inet6', 'utf8') !== '',
};

/** Runs a program, never through a shell; never rejects. */
export function runProgram(program: string, args: readonly string[], input: string): Promise<ToolResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: 'pipe',
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        LC_ALL: 'C',
        // The lock of iptables lies in /run, which a read-only root file system refuses; in the pod's own network
        // namespace there is nobody to lock out, so any file that can be opened will do.
        XTABLES_LOCKFILE: '/dev/null',
      },
    });
    const text = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ ...text, code: 127, stderr: error.message, missing: error.code === 'ENOENT' }),
    );
    child.once('close', (code, signal) =>
      resolve({
        ...text,
        code: code ?? 1,
        stderr: signal ? `${text.stderr}ended by ${signal}` : text.stderr,
      }),
    );
    // A program that refuses to start does not read; its exit says more than the broken pipe.
    child.stdin.on('error', () => undefined).end(input);
  });
}
