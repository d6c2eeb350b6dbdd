// node hold.mjs HOST PORT [idle|http]   opens one connection, keeps it, and says (JSON lines) when and how it ended
//   idle  sends nothing
//   http  asks once over HTTP/1.1 keep-alive every 100 ms on the same connection
import net from 'node:net';

const [host, port, mode = 'idle'] = process.argv.slice(2);
const say = (event, fields = {}) => console.log(JSON.stringify({ event, at: Date.now(), ...fields }));
const socket = net.connect({ host, port: Number(port) });
let reset = false;
let answers = 0;
let timer;
socket.on('connect', () => {
  say('open');
  if (mode !== 'http') return;
  const ask = () => socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: keep-alive\r\n\r\n`);
  ask();
  timer = setInterval(ask, 100);
});
socket.on('data', () => {
  answers += 1;
  if (answers === 1) say('first-answer');
});
socket.on('error', (error) => {
  reset = error.code === 'ECONNRESET';
  if (!reset) say('error', { code: error.code });
});
socket.on('end', () => say('end'));
socket.on('close', () => {
  clearInterval(timer);
  say('closed', { reset, answers });
});
