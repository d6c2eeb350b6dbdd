// A program for the tests in network namespaces: connects as a user, prints what it is told. dial.fake.mjs UID HOST PORT [FROM]
import { connect } from 'node:net';

const [uid, host, port, localAddress] = process.argv.slice(2);
process.setgid(Number(uid));
process.setuid(Number(uid));
const socket = connect({
  host,
  port: Number(port),
  ...(localAddress ? { localAddress } : {}),
  timeout: 3000,
});
socket.on('timeout', () => socket.destroy(new Error('no answer')));
socket.on('error', (error) => console.log(JSON.stringify({ error: error.code ?? error.message })));
socket.pipe(process.stdout);
