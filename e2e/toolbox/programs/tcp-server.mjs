// node tcp-server.mjs PORT MODE [BIND]   one JSON line per event on standard output
//   echo    sends back what comes
//   digest  reads to the end of the client's stream, then answers "<bytes> <sha256>" (works only if half-close does)
//   source  reads a line with a number, sends that many bytes, then ends
//   greet   speaks first: sends "hello\n" before anything comes, then echoes
import { createHash } from 'node:crypto';
import net from 'node:net';

const [port, mode = 'echo', bind = '::'] = process.argv.slice(2);
const say = (event, fields = {}) => console.log(JSON.stringify({ event, at: Date.now(), ...fields }));
let count = 0;

const modes = {
  echo: (socket) => socket.pipe(socket),
  greet: (socket) => {
    socket.write('hello\n');
    socket.pipe(socket);
  },
  digest: async (socket) => {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of socket) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    socket.end(`${bytes} ${hash.digest('hex')}\n`);
  },
  source: async (socket) => {
    const line = await new Promise((resolve) => socket.once('data', resolve));
    let left = Number(line.toString());
    const block = Buffer.alloc(1 << 16);
    for (let i = 0; i < block.length; i += 1) block[i] = i % 251;
    while (left > 0) {
      const part = left < block.length ? block.subarray(0, left) : block;
      left -= part.length;
      if (!socket.write(part)) await new Promise((resolve) => socket.once('drain', resolve));
    }
    socket.end();
  },
};

net
  .createServer({ allowHalfOpen: true }, (socket) => {
    const id = ++count;
    say('connection', { id, from: socket.remoteAddress });
    socket.on('error', (error) => say('error', { id, code: error.code }));
    socket.on('close', () => say('closed', { id }));
    Promise.resolve(modes[mode](socket)).catch((error) => say('failed', { id, code: error.code }));
    if (mode === 'echo' || mode === 'greet') socket.on('end', () => socket.end());
  })
  .listen({ port: Number(port), host: bind }, () => say('listening', { port: Number(port) }));
process.on('SIGTERM', () => process.exit(0));
