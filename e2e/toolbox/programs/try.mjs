// node try.mjs HOST PORT [TEXT] [TIMEOUT_MS]   connects, sends TEXT, says (one JSON line) whether an answer came
import net from 'node:net';

const [host, port, text = 'ping\n', timeout = '5000'] = process.argv.slice(2);
const started = Date.now();
const socket = net.connect({ host, port: Number(port) });
const done = (fields) => {
  console.log(JSON.stringify({ ...fields, ms: Date.now() - started, at: Date.now() }));
  process.exit(fields.ok ? 0 : 1);
};
socket.setTimeout(Number(timeout), () => done({ ok: false, how: 'timeout' }));
socket.on('connect', () => socket.write(text));
socket.on('data', (chunk) => done({ ok: true, answer: chunk.toString('latin1').slice(0, 200) }));
socket.on('end', () => done({ ok: false, how: 'end' }));
socket.on('error', (error) => done({ ok: false, how: error.code }));
