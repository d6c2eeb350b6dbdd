import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

import { LOCAL_HEADER } from '../../dataplane/inbound/proxy-protocol.ts';
import { grpcHealth } from './grpc-health.ts';
import type { Probe, ProbeResult } from '../../config/probe.ts';

/** Where the application of this pod is reached; tried in this order while nobody listens. */
export interface ProbeAddress {
  readonly address: string;
  readonly localAddress?: string;
  /** What the application expects before anything else. */
  readonly header?: Buffer;
}

const NO_PORTS: ReadonlySet<number> = new Set();

type HttpProbe = Extract<Probe, { readonly kind: 'http' }>;

const MAX_MESSAGE = 300;

/**
 * Probes the application as the kubelet would have: HTTP answers 200 to 399 are good and redirections are not followed,
 * certificates are not checked, TCP is good when it connects, gRPC when it says SERVING. Never rejects.
 *
 * @param proxyProtocolPorts ports whose application expects a PROXY protocol header; a probe sends one with the command LOCAL
 */
export async function runProbe(
  probe: Probe,
  addresses: readonly ProbeAddress[],
  proxyProtocolPorts: ReadonlySet<number> = NO_PORTS,
): Promise<ProbeResult> {
  const header = proxyProtocolPorts.has(probe.port) ? { header: LOCAL_HEADER } : {};
  const deadline = AbortSignal.timeout(probe.timeoutMs);
  let result: ProbeResult = { ok: false, message: 'no address to probe' };
  for (const address of addresses) {
    try {
      return await probeAt(probe, { ...address, ...header }, deadline);
    } catch (error) {
      if (deadline.aborted)
        return { ok: false, message: `no answer from port ${probe.port} within ${probe.timeoutMs} ms` };
      result = { ok: false, message: `port ${probe.port}: ${faultText(error)}` };
      if (!nobodyThere(error)) return result;
    }
  }
  return result;
}

function probeAt(probe: Probe, at: ProbeAddress, signal: AbortSignal): Promise<ProbeResult> {
  switch (probe.kind) {
    case 'http':
      return probeHttp(probe, at, signal);
    case 'tcp':
      return probeTcp(probe.port, at, signal);
    case 'grpc':
      return grpcHealth({ ...at, port: probe.port, service: probe.service }, signal);
  }
}

function probeHttp(probe: HttpProbe, at: ProbeAddress, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const options = {
      host: at.address,
      ...(at.localAddress === undefined ? {} : { localAddress: at.localAddress }),
      port: probe.port,
      path: probe.path,
      method: 'GET',
      agent: false as const,
      signal,
      headers: requestHeaders(probe, at),
      // The kubelet does not check either: such certificates are rarely made for an address.
      rejectUnauthorized: false,
      // The image starts Node with TLS 1.3 or nothing, which is a rule for the mesh and not for applications.
      minVersion: 'TLSv1.2' as const,
      // Nothing is verified, so no roots are needed; without this, Node would load all it knows (megabytes).
      ...(probe.scheme === 'https' ? { ca: [] } : {}),
      ...(at.header ? { agent: undefined, createConnection: () => behindHeader(probe, at) } : {}),
    };
    const request = (probe.scheme === 'https' ? httpsRequest : httpRequest)(
      options,
      (response: IncomingMessage) => {
        const status = response.statusCode ?? 0;
        const ok = status >= 200 && status < 400;
        resolve({
          ok,
          message: `${probe.scheme.toUpperCase()} ${probe.path} on port ${probe.port} answered ${status}`,
        });
        request.destroy();
      },
    );
    request.on('error', reject);
    request.end();
  });
}

/** A connection on which the header was sent; TLS begins after it. */
function behindHeader({ port, scheme }: HttpProbe, at: ProbeAddress): Socket {
  const socket = connectTo(at, port);
  return scheme === 'https'
    ? tlsConnect({ socket, rejectUnauthorized: false, minVersion: 'TLSv1.2', ca: [] })
    : socket;
}

function connectTo({ address: host, localAddress, header }: ProbeAddress, port: number): Socket {
  const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
  if (header) socket.write(header);
  return socket;
}

/** The probe's own headers replace ours, whatever their case; the kubelet sends these two by default. */
function requestHeaders(probe: HttpProbe, at: ProbeAddress): Record<string, string | string[]> {
  const host = at.address.includes(':') ? `[${at.address}]` : at.address;
  const headers = new Map<string, [string, string[]]>([
    ['host', ['Host', [`${host}:${probe.port}`]]],
    ['user-agent', ['User-Agent', ['kube-probe/mesh']]],
    ['accept', ['Accept', ['*/*']]],
    ['connection', ['Connection', ['close']]],
  ]);
  const own = new Set<string>();
  for (const [name, value] of probe.headers) {
    const key = name.toLowerCase();
    const known = headers.get(key);
    if (known && own.has(key)) known[1].push(value);
    else headers.set(key, [name, [value]]);
    own.add(key);
  }
  return Object.fromEntries(
    [...headers.values()].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  );
}

function probeTcp(port: number, at: ProbeAddress, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const socket = connectTo(at, port);
    const giveUp = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', giveUp));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroySoon();
      resolve({ ok: true, message: `connected to port ${port}` });
    });
  });
}

const NOBODY = new Set([
  'ECONNREFUSED',
  'EADDRNOTAVAIL',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAFNOSUPPORT',
  'EINVAL',
]);

function nobodyThere(error: unknown): boolean {
  return NOBODY.has((error as NodeJS.ErrnoException).code ?? '');
}

function faultText(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code === 'ECONNREFUSED' ? 'connection refused' : message).slice(0, MAX_MESSAGE);
}
