/** The part of dns-packet (which has no types of its own) that the resolver uses. */
declare module 'dns-packet' {
  export interface Question {
    name: string;
    type: string;
    class?: string;
  }
  export interface Answer {
    name: string;
    type: string;
    class?: string;
    ttl: number;
    data: unknown;
  }
  export interface Packet {
    type: 'query' | 'response';
    id: number;
    flags: number;
    opcode?: string;
    rcode?: string;
    questions: Question[];
    answers: Answer[];
    authorities?: Answer[];
    additionals?: Answer[];
  }
  export const AUTHORITATIVE_ANSWER: number;
  export const TRUNCATED_RESPONSE: number;
  export const RECURSION_DESIRED: number;
  export function encode(packet: Partial<Packet>): Buffer;
  export function decode(message: Buffer): Packet;
}
