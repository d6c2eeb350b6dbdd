// The hello example: `node hello.mjs server` answers, `node hello.mjs client URL` asks once a second and says what came back.
// PORT is where the server listens (8080), EVERY_MS how often the client asks (1000).
import http from 'node:http';
import { hostname } from 'node:os';

const [role, url] = process.argv.slice(2);
const { PORT: port = '8080', EVERY_MS: everyMs = '1000' } = process.env;

if (role === 'server') {
  let ending = false;
  const server = http.createServer((request, response) => {
    if (ending) response.setHeader('Connection', 'close');
    console.log(`${request.method} ${request.url}`);
    response.end(`hello from ${hostname()}\n`);
  });
  // Node closes a connection after five idle seconds; a request that is on its way just then is lost, mesh or not.
  server.keepAliveTimeout = 600_000;
  server.listen(Number(port), () => console.log(`listening on ${port}`));
  process.on('SIGTERM', () => {
    ending = true;
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
} else if (role === 'client' && url) {
  setInterval(ask, Number(everyMs));
  process.on('SIGTERM', () => process.exit(0));
} else {
  console.error('usage: node hello.mjs server | node hello.mjs client URL');
  process.exit(2);
}

async function ask() {
  const time = new Date().toISOString().slice(11, 19);
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(3000),
      headers: { connection: 'close' },
    });
    console.log(`${time} ${response.status} ${(await response.text()).trim()}`);
  } catch (error) {
    console.log(`${time} failed: ${error.cause?.code ?? error.message}`);
  }
}
