import { documentOf } from './document.ts';
import { Samples } from './samples.ts';

test("a proxy's version is not its TLS version", () => {
  const agreed = { version: 'TLS 1.3', cipher: 'TLS_AES_128_GCM_SHA256', resumed: false };
  const haproxy = {
    name: 'haproxy',
    kind: 'peer',
    version: '2.6.12',
    threads: 'nbthread 1',
    start: () => Promise.reject(new Error('not here')),
    verified: { agreed, resumes: true },
  } as const;
  const outcome = { proxies: [haproxy], originIs: 'nginx', samples: new Samples(), missing: [] };
  expect(documentOf({ only: [], work: [], rounds: 1, seconds: 1 }, outcome, [])).toMatchObject({
    proxies: [{ name: 'haproxy', version: '2.6.12', tls: { version: 'TLS 1.3', resumed: true } }],
  });
});
