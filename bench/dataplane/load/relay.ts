/** Passes bytes on, and nothing else: `relay.ts LISTEN TO`. */
import { connect, createServer } from 'node:net';

const [listen, to] = process.argv.slice(2).map(Number);

createServer({ noDelay: true, allowHalfOpen: true }, (from) => {
  const onward = connect({ port: to ?? 0, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  from.on('error', () => onward.destroy()).pipe(onward);
  onward.on('error', () => from.destroy()).pipe(from);
}).listen(listen, '127.0.0.1', 4096);
