// node send-digest.mjs HOST PORT BYTES   sends BYTES, ends its side, and compares the "<bytes> <sha256>" that comes back
import { createHash } from 'node:crypto';
import net from 'node:net';

const [host, port, bytes] = process.argv.slice(2);
const socket = net.connect({ host, port: Number(port), allowHalfOpen: true });
const hash = createHash('sha256');
const block = Buffer.alloc(1 << 16);
for (let i = 0; i < block.length; i += 1) block[i] = (i * 7) % 253;
let answer = '';
socket.on('data', (chunk) => (answer += chunk));
socket.on('error', (error) => {
  console.log(JSON.stringify({ ok: false, how: error.code }));
  process.exit(1);
});
const started = Date.now();
await new Promise((resolve) => socket.once('connect', resolve));
let left = Number(bytes);
while (left > 0) {
  const part = left < block.length ? block.subarray(0, left) : block;
  left -= part.length;
  hash.update(part);
  if (!socket.write(part)) await new Promise((resolve) => socket.once('drain', resolve));
}
socket.end();
await new Promise((resolve) => socket.once('end', resolve));
const wanted = `${bytes} ${hash.digest('hex')}`;
console.log(
  JSON.stringify({ ok: answer.trim() === wanted, answer: answer.trim(), wanted, ms: Date.now() - started }),
);
process.exit(answer.trim() === wanted ? 0 : 1);
