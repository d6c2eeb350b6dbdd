import { execFileSync } from 'node:child_process';

const RULES = `
table inet test {
  chain output {
    type nat hook output priority -100;
    tcp dport 80 redirect to :15001
  }
}
`;

/**
 * Runs a program in a network of its own, where what goes to port 80 is led to port 15001.
 *
 * @param program path of a TypeScript file
 * @returns what it printed
 */
export function inRedirectedNetwork(program: string): string {
  const script = `ip link set lo up && nft -f - <<'EOF'\n${RULES}\nEOF\nexec node --import tsx ${program}`;
  return execFileSync('unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8', timeout: 60_000 });
}
