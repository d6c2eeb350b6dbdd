import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('./redirected-child.fake.ts', import.meta.url));

const RULES = `
table inet test {
  chain output {
    type nat hook output priority -100;
    tcp dport 80 redirect to :15001
  }
}
`;

test('the kernel tells the original destination, IPv4 and IPv6, and the own address where nothing was redirected', () => {
  const script = `ip link set lo up && nft -f - <<'EOF'\n${RULES}\nEOF\nexec node --import tsx ${CHILD}`;
  const output = execFileSync('unshare', ['--net', 'sh', '-c', script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(JSON.parse(output)).toEqual([
    { address: '127.0.0.1', port: 80 },
    { address: '::1', port: 80 },
    { address: '127.0.0.1', port: 15001 },
  ]);
}, 90_000);
