import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import dnsPacket from 'dns-packet';
import type { Zone } from './zone.ts';

const { AUTHORITATIVE_ANSWER, RECURSION_DESIRED, TRUNCATED_RESPONSE, decode, encode } = dnsPacket;

/** Short, so that tests see a pod's address change at once. */
const ttl = 5;
/** The largest answer over UDP to a client that did not announce more. */
const udpLimit = 512;

/**
 * Answers questions about a zone over UDP and TCP.
 * @param zone the names; read at every question
 * @param address where to listen
 * @param port 0 lets the kernel choose (the same for both)
 * @returns the port, and a function that stops listening
 * @throws Error when the address is taken
 */
export async function serveDns(
  zone: Zone,
  address: string,
  port: number,
): Promise<{ port: number; close: () => void }> {
  const tcp = createServer((socket) => serveConnection(zone, socket));
  tcp.listen(port, address);
  await once(tcp, 'listening');
  const chosen = (tcp.address() as { port: number }).port;
  const udp = createSocket('udp4');
  udp.on('message', (message, from: RemoteInfo) => {
    const response = respond(zone, message, udpLimit);
    if (response !== undefined) udp.send(response, from.port, from.address);
  });
  udp.on('error', () => undefined);
  udp.bind(chosen, address);
  await once(udp, 'listening');
  return {
    port: chosen,
    close: () => {
      udp.close();
      tcp.close();
    },
  };
}

/** Over TCP each message follows its length, in two bytes. */
function serveConnection(zone: Zone, socket: Socket): void {
  let received = Buffer.alloc(0);
  socket.setTimeout(10_000, () => socket.destroy());
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const length = received.readUInt16BE(0);
      const response = respond(zone, received.subarray(2, 2 + length), 65_535);
      received = received.subarray(2 + length);
      if (response === undefined) return void socket.destroy();
      const size = Buffer.alloc(2);
      size.writeUInt16BE(response.length);
      socket.write(Buffer.concat([size, response]));
    }
  });
}

/** The answer to one message; none to what is no question. */
function respond(zone: Zone, message: Buffer, limit: number): Buffer | undefined {
  let query;
  try {
    query = decode(message);
  } catch {
    return undefined;
  }
  const question = query.questions[0];
  if (query.type !== 'query' || question === undefined) return undefined;
  const { exists, records } = zone.answer(question.name, question.type);
  const start = {
    name: zone.domain,
    type: 'SOA',
    ttl,
    data: {
      mname: `ns.${zone.domain}`,
      rname: `hostmaster.${zone.domain}`,
      serial: 1,
      refresh: 60,
      retry: 10,
      expire: 600,
      minimum: ttl,
    },
  };
  const reply = {
    type: 'response' as const,
    id: query.id,
    flags: AUTHORITATIVE_ANSWER | (query.flags & RECURSION_DESIRED) | (exists ? 0 : 3),
    questions: [question],
    answers: shuffled(records.map((record) => ({ ...record, ttl }))),
    authorities: records.length === 0 ? [start] : [],
  };
  const whole = encode(reply);
  if (whole.length <= limit) return whole;
  return encode({ ...reply, flags: reply.flags | TRUNCATED_RESPONSE, answers: [] });
}

/** In another order each time, so that clients that take the first address spread themselves. */
function shuffled<T>(values: T[]): T[] {
  const start = Math.floor(Math.random() * values.length);
  return [...values.slice(start), ...values.slice(0, start)];
}
