import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import type { DescMessage, Message } from '@bufbuild/protobuf';
import { isReflectList, isReflectMap, isReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import type { DescriptorProto } from '@bufbuild/protobuf/wkt';

import { errorText } from '#base/error-text.ts';

import type { Json } from '../../store/object.ts';
import { badRequest, unknownFormat } from '../api-status-error.ts';
import { MESSAGES } from './messages.ts';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** Before the envelope (apimachinery, `runtime/serializer/protobuf`). */
const MAGIC = Buffer.from('k8s\0');
const ENVELOPE = 'Unknown';
const SCALARS: Readonly<Record<string, Type>> = {
  string: Type.STRING,
  bytes: Type.BYTES,
  bool: Type.BOOL,
  int64: Type.INT64,
  // Messages and bytes look alike until somebody looks inside.
  server: Type.BYTES,
  'server number': Type.INT64,
};
let descriptions: ReturnType<typeof describeAll> | undefined;

/**
 * Reads an object in Kubernetes' protobuf form, into what its JSON would be.
 *
 * @throws ApiStatusError 415 for a kind or a field that is taken as JSON only, 400 for what cannot be read
 */
export function readProtobuf(body: Buffer): object {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC))
    throw badRequest('the body is not a protobuf of Kubernetes');
  const { typeMeta, raw = '' } = read(ENVELOPE, body.subarray(MAGIC.length)) as Envelope;
  const { apiVersion = '', kind = '' } = typeMeta ?? {};
  return { apiVersion, kind, ...read(kind, Buffer.from(raw, 'base64')) };
}

interface Envelope {
  readonly typeMeta?: { readonly apiVersion?: string; readonly kind?: string };
  /** Base64. */
  readonly raw?: string;
}

function read(kind: string, bytes: Uint8Array): Json {
  descriptions ??= describeAll();
  const description = descriptions.getMessage(kind);
  if (!description) throw unknownFormat(`${kind} in protobuf`);
  return plain(reflect(description, decoded(description, bytes)));
}

function decoded(description: DescMessage, bytes: Uint8Array): Message {
  try {
    return fromBinary(description, bytes);
  } catch (error) {
    throw badRequest(`the body cannot be read: ${errorText(error).slice(0, 200)}`);
  }
}

function plain(message: ReflectMessage): Json {
  const { desc, fields } = message;
  if (message.message.$unknown?.length) {
    const numbers = message.message.$unknown.slice(0, 5).map(({ no }) => no);
    throw unknownFormat(`field ${numbers.join(', ')} of ${desc.name} in protobuf`);
  }
  const values = fields
    .filter((field) => message.isSet(field) && !isServers(desc, field.name))
    .map((field) => [field.name, shown(message.get(field))] as const);
  // Go sends what is empty too.
  return Object.fromEntries(values.filter(([, value]) => value !== ''));
}

function isServers({ name }: DescMessage, field: string): boolean {
  return MESSAGES[name]?.[field]?.[1].startsWith('server') ?? false;
}

function shown(value: unknown): unknown {
  if (isReflectMessage(value)) return plain(value);
  if (isReflectList(value)) return [...value].map(shown);
  if (isReflectMap(value)) return Object.fromEntries([...value].map(([key, one]) => [key, shown(one)]));
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return typeof value === 'bigint' ? Number(value) : value;
}

/** {@link MESSAGES} as the library wants them. */
function describeAll() {
  const messageType = Object.entries(MESSAGES).map(([name, fields]) => describe(name, fields));
  const file = create(FileDescriptorProtoSchema, { name: 'kubernetes.proto', syntax: 'proto2', messageType });
  return createFileRegistry(file, () => undefined);
}

function describe(name: string, fields: (typeof MESSAGES)[string]): DescriptorProto {
  const nestedType: DescriptorProto[] = [];
  const field = Object.entries(fields).map(([field, [number, text]]) => {
    const [, type = '', many = ''] = /^([^[{]+)(.*)$/.exec(text) ?? [];
    const entry = `${field}Entry`;
    if (many === '{}') nestedType.push(mapEntry(entry, type));
    const typed = many === '{}' ? messageType(`${name}.${entry}`) : typeOf(type);
    return { name: field, jsonName: field, number, label: many ? Label.REPEATED : Label.OPTIONAL, ...typed };
  });
  return create(DescriptorProtoSchema, { name, field, nestedType });
}

/** How protobuf has maps: as lists of pairs. */
function mapEntry(name: string, type: string): DescriptorProto {
  const label = Label.OPTIONAL;
  const field = [
    { name: 'key', number: 1, label, type: Type.STRING },
    { name: 'value', number: 2, label, ...typeOf(type) },
  ];
  return create(DescriptorProtoSchema, { name, field, options: { mapEntry: true } });
}

function typeOf(type: string): { readonly type: Type; readonly typeName?: string } {
  const scalar = SCALARS[type];
  return scalar === undefined ? messageType(type) : { type: scalar };
}

function messageType(name: string): { readonly type: Type; readonly typeName: string } {
  return { type: Type.MESSAGE, typeName: `.${name}` };
}
