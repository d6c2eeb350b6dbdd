import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('./redirected-workers.fake.ts', import.meta.url));

const RULES = `
table inet test {
  chain output {
    type nat hook output priority -100;
    tcp dport 80 redirect to :15001
  }
}
`;

test('a worker learns from the kernel where a connection wanted to go that the primary accepted', () => {
  const script = `ip link set lo up && nft -f - <<'EOF'\n${RULES}\nEOF\nexec node --import tsx ${CHILD}`;
  const output = execFileSync('unshare', ['--net', 'sh', '-c', script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const lines = output.trim().split('\n').sort();
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { worker: '1', address: '127.0.0.1', port: 80 },
    { worker: '1', address: '::1', port: 80 },
    { worker: '2', address: '127.0.0.1', port: 80 },
    { worker: '2', address: '::1', port: 80 },
  ]);
}, 90_000);
