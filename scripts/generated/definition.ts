import type * as z from 'zod';

import { API_GROUP, API_VERSION } from '#core/constants.ts';
import { structuralSchema } from './structural-schema.ts';

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly path: string;
  readonly type: 'string' | 'integer' | 'date' | 'boolean';
  readonly description: string;
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
}

/** One of our resources, as far as the API server has to know it. */
export interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
  /** What it is, in a sentence or two; the first thing `kubectl explain` prints. */
  readonly description: string;
  readonly spec: z.ZodType;
  /** Absent where there is none. */
  readonly status?: z.ZodType;
  readonly columns: readonly Column[];
  readonly specRequired: boolean;
}

/** The CustomResourceDefinition (apiextensions.k8s.io/v1) of a resource. */
export function customResourceDefinition(definition: Definition): object {
  const { kind, plural, shortNames, scope } = definition;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${API_GROUP}` },
    spec: {
      group: API_GROUP,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames.length > 0 ? { shortNames } : {}),
        categories: ['mesh'],
      },
      scope,
      versions: [
        {
          name: API_VERSION,
          served: true,
          storage: true,
          ...(definition.status ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: definition.columns.map(printerColumn),
          schema: { openAPIV3Schema: objectSchema(definition) },
        },
      ],
    },
  };
}

function printerColumn({ name, path, type, description, wide }: Column): object {
  return {
    name,
    type,
    jsonPath: path,
    description,
    ...(wide ? { priority: 1 } : {}),
  };
}

function objectSchema({ description, spec, status, specRequired }: Definition): object {
  return {
    description,
    type: 'object',
    ...(specRequired ? { required: ['spec'] } : {}),
    properties: {
      apiVersion: { description: 'Group and version of this object: mesh.dev/v1alpha1.', type: 'string' },
      kind: { description: 'Kind of this object.', type: 'string' },
      metadata: { type: 'object' },
      spec: structuralSchema(spec),
      ...(status ? { status: structuralSchema(status) } : {}),
    },
  };
}
