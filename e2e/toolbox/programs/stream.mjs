// node stream.mjs HOST PORT   a peer of the mesh made by hand. Reads one JSON line from standard input:
//   {"cert": PEM, "key": PEM, "ca": PEM, "alpn": ["mesh-stream/1"], "header": {"port": 7000}, "text": "ping\n", "maxVersion": "TLSv1.2"}
// and prints one JSON line: what the other side answered. Verifies nothing by itself.
import tls from 'node:tls';

const [host, port] = process.argv.slice(2);
const chunks = [];
for await (const chunk of process.stdin) {
  chunks.push(chunk);
  if (chunk.includes(10)) break;
}
const {
  cert,
  key,
  ca,
  alpn = [],
  header,
  text = 'ping\n',
  maxVersion,
} = JSON.parse(Buffer.concat(chunks).toString());
const done = (fields) => {
  console.log(JSON.stringify(fields));
  process.exit(0);
};
const socket = tls.connect({
  host,
  port: Number(port),
  cert,
  key,
  ca,
  ALPNProtocols: alpn,
  rejectUnauthorized: false,
  maxVersion: maxVersion ?? 'TLSv1.3',
  minVersion: maxVersion ?? 'TLSv1.3',
});
let received = Buffer.alloc(0);
let verdict;
socket.setTimeout(8000, () => done({ handshake: true, how: 'timeout', verdict }));
let handshake = false;
socket.on('secureConnect', () => {
  handshake = true;
  if (header) {
    const body = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    socket.write(Buffer.concat([length, body]));
  } else {
    socket.write(text);
  }
});
socket.on('data', (chunk) => {
  received = Buffer.concat([received, chunk]);
  if (!header) return done({ handshake, how: 'data', data: received.toString('latin1') });
  if (!verdict && received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
    verdict = JSON.parse(received.subarray(4, 4 + received.readUInt32BE(0)).toString());
    received = received.subarray(4 + received.readUInt32BE(0));
    if (!verdict.ok) done({ handshake, how: 'verdict', verdict });
    socket.write(text);
  }
  if (verdict?.ok && received.length > 0)
    done({ handshake, how: 'data', verdict, data: received.toString('latin1') });
});
socket.on('error', (error) => done({ handshake, how: error.code ?? error.message, verdict }));
socket.on('close', () => done({ handshake, how: 'closed', verdict }));
