import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';

import type { Schema } from '../kind.ts';
import type { Cause } from '../api-status-error.ts';

const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Far more than is told; of a list with a fault in each item nobody needs all. */
const MAX_FAULTS = 1_000;

/** Checks objects against structural schemas, and says what is wrong in the words of Kubernetes. */
export class SchemaCheck {
  readonly #ajv = new Ajv({ allErrors: true, strict: false, verbose: true });
  readonly #compiled = new WeakMap<Schema, ValidateFunction>();

  constructor() {
    this.#ajv.addFormat('date-time', (text) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text)));
  }

  /** What is wrong, empty when nothing is. */
  faults(value: unknown, schema: Schema): readonly Cause[] {
    const check = this.#compiled.get(schema) ?? this.#ajv.compile(schema);
    this.#compiled.set(schema, check);
    return check(value) ? [] : (check.errors ?? []).slice(0, MAX_FAULTS).map(causeOf);
  }
}

const BOUNDS: Readonly<Record<string, string>> = {
  '<=': 'less than or equal to',
  '>=': 'greater than or equal to',
};

function causeOf(error: ErrorObject): Cause {
  const field = fieldOf(error.instancePath);
  const { params, data } = error;
  const shown = JSON.stringify(data)?.slice(0, 200) ?? 'null';
  const wrong = (why: string): Cause => ({
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${shown}: ${field} in body ${why}`,
    field,
  });
  switch (error.keyword) {
    case 'required': {
      const missing =
        field === '<root>' ? String(params.missingProperty) : `${field}.${String(params.missingProperty)}`;
      return { reason: 'FieldValueRequired', message: 'Required value', field: missing };
    }
    case 'enum': {
      const values = (params.allowedValues as unknown[]).map((value) => JSON.stringify(value)).join(', ');
      return {
        reason: 'FieldValueNotSupported',
        message: `Unsupported value: ${shown}: supported values: ${values}`,
        field,
      };
    }
    case 'type': {
      const found = JSON.stringify(typeName(data));
      const message = `Invalid value: ${found}: ${field} in body must be of type ${String(params.type)}: ${found}`;
      return { reason: 'FieldValueTypeInvalid', message, field };
    }
    case 'maxLength':
      return {
        reason: 'FieldValueTooLong',
        message: `Too long: may not be more than ${String(params.limit)} bytes`,
        field,
      };
    case 'maxItems': {
      const count = (data as unknown[]).length;
      return {
        reason: 'FieldValueTooMany',
        message: `Too many: ${count}: must have at most ${String(params.limit)} items`,
        field,
      };
    }
    case 'format':
      return wrong(`must be of type ${String(params.format)}: ${shown}`);
    case 'minimum':
    case 'maximum':
      return wrong(`should be ${BOUNDS[String(params.comparison)] ?? ''} ${String(params.limit)}`);
    default:
      return wrong(error.message ?? 'is wrong');
  }
}

/** `/spec/ports/0/port` as `spec.ports[0].port`. */
function fieldOf(pointer: string): string {
  if (pointer === '') return '<root>';
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce(
      (path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === '' ? part : `${path}.${part}`),
      '',
    );
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
}
