// node flips.mjs HOST PORT   asks again and again with new connections, every 10 ms, and says (JSON lines) each time the answer changes
import net from 'node:net';

const [host, port] = process.argv.slice(2);
const say = (event, fields = {}) => console.log(JSON.stringify({ event, at: Date.now(), ...fields }));
let state;
const attempt = () =>
  new Promise((resolve) => {
    const socket = net.connect({ host, port: Number(port) });
    const done = (ok) => {
      socket.destroy();
      resolve(ok);
    };
    socket.setTimeout(3000, () => done(false));
    socket.on('connect', () => socket.write('ping\n'));
    socket.on('data', () => done(true));
    socket.on('end', () => done(false));
    socket.on('error', () => done(false));
  });
for (;;) {
  const ok = await attempt();
  if (ok !== state) say(ok ? 'works' : 'refused');
  state = ok;
  await new Promise((resolve) => setTimeout(resolve, 10));
}
