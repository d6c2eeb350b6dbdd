// node fetch-source.mjs HOST PORT BYTES   asks a "source" server for BYTES and checks every one of them
import net from 'node:net';

const [host, port, bytes] = process.argv.slice(2);
const socket = net.connect({ host, port: Number(port) });
socket.write(`${bytes}\n`);
const started = Date.now();
let got = 0;
let wrong = 0;
socket.on('data', (chunk) => {
  for (let i = 0; i < chunk.length; i += 1) if (chunk[i] !== ((got + i) % 65536) % 251) wrong += 1;
  got += chunk.length;
});
const finish = (how) => {
  const ok = how === 'end' && got === Number(bytes) && wrong === 0;
  console.log(JSON.stringify({ ok, how, got, wrong, ms: Date.now() - started }));
  process.exit(ok ? 0 : 1);
};
socket.on('error', (error) => finish(error.code));
socket.on('end', () => finish('end'));
