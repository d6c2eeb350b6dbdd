// The hello example: `node hello.mjs server` answers, `node hello.mjs client URL` asks once a second and says what came back.
import http from 'node:http';
import { hostname } from 'node:os';

const [role, url] = process.argv.slice(2);

if (role === 'server') {
  const server = http.createServer((request, response) => {
    console.log(`${request.method} ${request.url}`);
    response.end(`hello from ${hostname()}\n`);
  });
  server.listen(8080, () => console.log('listening on 8080'));
  process.on('SIGTERM', () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
} else if (role === 'client' && url) {
  setInterval(ask, 1000);
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
