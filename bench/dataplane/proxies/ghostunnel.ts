import { GHOSTUNNEL, buildProgram } from '#operator/ca/go-programs.fake.ts';

import { keyFiles } from '../machine/key-files.ts';
import type { KeyFiles } from '../machine/key-files.ts';
import type { MakeProxy } from './proxy.ts';
import { startPair } from './start-pair.ts';

/** ghostunnel checks SPIFFE IDs as ours do. Go chooses the cipher itself, and takes AES-128-GCM where processors have AES. */
export const makeGhostunnel: MakeProxy = async (house) => {
  const program = await buildProgram(GHOSTUNNEL);
  const { client, server } = house.certificates;
  const [clientFiles, serverFiles] = [keyFiles(house, client), keyFiles(house, server)];
  const command = (side: string, files: KeyFiles, args: readonly string[]) => ({
    title: `ghostunnel (${side})`,
    program,
    args: [
      ...['--cert', files.cert, '--key', files.key, '--cacert', files.root],
      // A log line for each connection would be measured too.
      ...['--quiet', 'all', side],
      ...args,
    ],
    env: { GOMAXPROCS: '1' },
  });
  return {
    name: 'ghostunnel',
    kind: 'peer',
    version: GHOSTUNNEL.version,
    threads: 'GOMAXPROCS=1',
    start: (options) =>
      startPair(
        house,
        {
          server: (listen, backend) =>
            command('server', serverFiles, [
              ...['--listen', `127.0.0.1:${listen}`, '--target', `127.0.0.1:${backend}`],
              ...['--allow-uri', client.spiffeId],
            ]),
          client: (listen, peer) =>
            command('client', clientFiles, [
              ...['--listen', `127.0.0.1:${listen}`, '--target', `localhost:${peer}`],
              ...['--verify-uri', server.spiffeId],
            ]),
        },
        options,
      ),
  };
};
