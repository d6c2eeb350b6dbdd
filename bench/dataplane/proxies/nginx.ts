import { keyFiles } from '../machine/key-files.ts';
import type { KeyFiles } from '../machine/key-files.ts';
import { unpackNginx } from '../machine/nginx.ts';
import { CIPHER } from './cipher.ts';
import type { MakeProxy } from './proxy.ts';
import { USUAL_STREAMS } from './proxy.ts';
import { startPair } from './start-pair.ts';

/** Two for each stream; nginx sets memory aside for them all. */
const CONNECTIONS = 2 * USUAL_STREAMS;

/** nginx's stream module, one worker; times are long for the idle streams, all else as it ships. */
export const makeNginx: MakeProxy = async (house) => {
  const nginx = await unpackNginx(house);
  const client = keyFiles(house, house.certificates.client);
  const server = keyFiles(house, house.certificates.server);
  return {
    name: 'nginx',
    kind: 'peer',
    version: nginx.version,
    threads: 'worker_processes 1',
    start: (options) =>
      startPair(
        house,
        {
          server: (listen, backend) =>
            nginx.command(
              'nginx (server)',
              stream(`listen 127.0.0.1:${listen} ssl;`, backend, accepting(server)),
              CONNECTIONS,
            ),
          client: (listen, peer) =>
            nginx.command(
              'nginx (client)',
              stream(`listen 127.0.0.1:${listen};`, peer, dialing(client)),
              CONNECTIONS,
            ),
        },
        options,
      ),
  };
};

function stream(listen: string, to: number, tls: string): string {
  return `stream {
  server {
    ${listen}
    proxy_pass 127.0.0.1:${to};
    proxy_timeout 1h;
${tls}
  }
}
`;
}

function accepting({ root, cert, key }: KeyFiles): string {
  return `    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_client_certificate ${root};
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${CIPHER};`;
}

function dialing({ root, cert, key }: KeyFiles): string {
  return `    proxy_ssl on;
    proxy_ssl_certificate ${cert};
    proxy_ssl_certificate_key ${key};
    proxy_ssl_trusted_certificate ${root};
    proxy_ssl_verify on;
    proxy_ssl_name localhost;
    proxy_ssl_protocols TLSv1.3;
    proxy_ssl_conf_command Ciphersuites ${CIPHER};`;
}
