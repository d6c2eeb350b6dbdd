import { createServer } from 'node:http';
import { hostname } from 'node:os';
import ipaddr from 'ipaddr.js';

// The dependency proves that `npm ci` worked when the image was built.
createServer((request, response) =>
  response.end(`${hostname()} sees ${ipaddr.process(request.socket.remoteAddress).toString()}\n`),
).listen(8080);
