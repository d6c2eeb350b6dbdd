import * as z from 'zod';

import { errorText } from '#base/error-text.ts';
import { LOG_LEVELS } from '#base/log-level.ts';
import type { LogLevel } from '#base/log-level.ts';
import { MAX_SIDECAR_CORES, MESH_CONFIG_NAME } from '#core/constants.ts';
import { meshConfigFaults } from '#core/model/mesh-config-faults.ts';
import { meshConfigSpecSchema } from '#core/model/mesh-config.ts';
import type { MeshConfigSpec } from '#core/model/mesh-config.ts';
import { DNS_LABEL_PATTERN } from '#core/names.ts';

import { SIGNING_PORT } from './names.ts';

/** The operator's settings: environment variables, read once at start, all faults reported together. */

const QUANTITY = /^[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i)?$/;
const CLUSTER_ROLE_NAME = /^[a-z0-9]([-a-z0-9.:]{0,251}[a-z0-9])?$/;

const namespace = z
  .string()
  .regex(new RegExp(DNS_LABEL_PATTERN), 'write the name of a namespace, such as "mesh"');

const quantities = z.strictObject({
  cpu: z.string().regex(QUANTITY, 'write a quantity such as "100m"').optional(),
  memory: z.string().regex(QUANTITY, 'write a quantity such as "64Mi"').optional(),
});

/** What every injected sidecar gets unless its pod's annotations say otherwise. */
const sidecarDefaultsSchema = z.strictObject({
  resources: z.strictObject({ requests: quantities.optional(), limits: quantities.optional() }).optional(),
  logLevel: z.enum(LOG_LEVELS).optional(),
  drainSeconds: z.int().min(0).max(3600).optional(),
  tunnel: z.boolean().optional(),
  cores: z.int().min(1).max(MAX_SIDECAR_CORES).optional(),
});

type SidecarDefaults = z.infer<typeof sidecarDefaultsSchema>;

const port = <Fallback extends number | undefined>(fallback: Fallback): z.ZodType<number | Fallback> =>
  z
    .string()
    .regex(/^[0-9]{1,5}$/, 'write a port number from 0 to 65535')
    .transform(Number)
    .refine((value) => value <= 65535, 'write a port number from 0 to 65535')
    .optional()
    .transform((value) => value ?? fallback);

/** A MeshConfig's spec, with what its schema alone cannot say. */
const checkedMeshConfigSchema = meshConfigSpecSchema.superRefine((spec, context) => {
  for (const { field, message } of meshConfigFaults({ metadata: { name: MESH_CONFIG_NAME }, spec })) {
    context.addIssue({ code: 'custom', path: field.split('.').slice(1), message });
  }
});

const environmentSchema = z.object({
  /** Namespace the mesh is installed in. */
  MESH_NAMESPACE: namespace,
  /** This pod's name: the holder of the leader's lease, and the object that Events of the operator hang on. */
  POD_NAME: z.string().min(1).max(253),
  /** Image of the sidecar and of the init container that redirects traffic. */
  MESH_SIDECAR_IMAGE: z.string().min(1).max(1024).regex(/^\S+$/, 'write an image reference without spaces'),
  MESH_SIDECAR_IMAGE_PULL_POLICY: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  /** Spec of the MeshConfig `mesh`, JSON; only the fields given are written. */
  MESH_CONFIG: json(checkedMeshConfigSchema),
  /** Defaults of injected sidecars, JSON. */
  MESH_SIDECAR_DEFAULTS: json(sidecarDefaultsSchema),
  MESH_LOG_LEVEL: z.enum(LOG_LEVELS).optional(),
  /** The ClusterRole that owns whatever the operator makes, so that removing the chart removes it too. */
  MESH_OWNER_CLUSTERROLE: z.string().regex(CLUSTER_ROLE_NAME, 'write the name of a ClusterRole').optional(),
  /** Namespaces whose pods are never injected, with commas between; kube-system and the mesh's own come on top. */
  MESH_WEBHOOK_EXCLUDED_NAMESPACES: z
    .string()
    .optional()
    .transform((text) => splitList(text ?? ''))
    .pipe(z.array(namespace)),
  /** Folder for this replica's audit file; none is kept where it is not set. */
  MESH_AUDIT_DIR: z.string().max(4096).startsWith('/', 'write an absolute path').optional(),
  MESH_HTTPS_PORT: port(SIGNING_PORT),
  MESH_HTTP_PORT: port(8080),
  /** Where the API server calls the webhooks. */
  MESH_WEBHOOK_PORT: port(9443),
  /** Port of the SPIFFE bundle endpoint; without it there is none. */
  MESH_BUNDLE_PORT: port(undefined),
  /** Port at which machines outside the cluster have certificates signed; without it none can join. */
  MESH_OUTSIDE_PORT: port(undefined),
});

export interface OperatorConfig {
  readonly meshNamespace: string;
  readonly podName: string;
  readonly sidecarImage: string;
  readonly sidecarImagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly meshConfig: MeshConfigSpec;
  readonly sidecarDefaults: SidecarDefaults;
  readonly logLevel: LogLevel;
  readonly ownerClusterRole?: string;
  readonly excludedNamespaces: readonly string[];
  readonly auditDir?: string;
  /** Where sidecars have their certificates signed. */
  readonly httpsPort: number;
  /** Where the API server calls the webhooks. */
  readonly webhookPort: number;
  readonly httpPort: number;
  readonly bundlePort?: number;
  /** Where processes outside of pods have certificates signed; none can join where it is absent. */
  readonly outsidePort?: number;
  /** The address to listen on; every one of the machine's when absent. */
  readonly listenHost?: string;
}

/** Every fault of a process's settings, for people: one line each. */
export class OperatorConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      [
        'The operator cannot start; its settings have these faults:',
        ...faults.map((fault) => `  - ${fault}`),
      ].join('\n'),
    );
    this.name = 'OperatorConfigError';
    this.faults = faults;
  }
}

/**
 * Reads the operator's environment.
 *
 * @throws OperatorConfigError naming every fault at once.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): OperatorConfig {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success)
    throw new OperatorConfigError(parsed.error.issues.map((issue) => faultText(issue, given)));
  const { data } = parsed;
  return Object.freeze({
    meshNamespace: data.MESH_NAMESPACE,
    podName: data.POD_NAME,
    sidecarImage: data.MESH_SIDECAR_IMAGE,
    sidecarImagePullPolicy: data.MESH_SIDECAR_IMAGE_PULL_POLICY ?? 'IfNotPresent',
    meshConfig: data.MESH_CONFIG,
    sidecarDefaults: data.MESH_SIDECAR_DEFAULTS,
    logLevel: data.MESH_LOG_LEVEL ?? 'info',
    ...(data.MESH_OWNER_CLUSTERROLE ? { ownerClusterRole: data.MESH_OWNER_CLUSTERROLE } : {}),
    excludedNamespaces: data.MESH_WEBHOOK_EXCLUDED_NAMESPACES,
    ...(data.MESH_AUDIT_DIR ? { auditDir: data.MESH_AUDIT_DIR } : {}),
    httpsPort: data.MESH_HTTPS_PORT,
    webhookPort: data.MESH_WEBHOOK_PORT,
    httpPort: data.MESH_HTTP_PORT,
    ...(data.MESH_BUNDLE_PORT === undefined ? {} : { bundlePort: data.MESH_BUNDLE_PORT }),
    ...(data.MESH_OUTSIDE_PORT === undefined ? {} : { outsidePort: data.MESH_OUTSIDE_PORT }),
  });
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** An optional environment variable that holds JSON of the given shape; `{}` when it is not set. */
function json<Shape extends z.ZodType>(shape: Shape) {
  return z
    .string()
    .max(1_000_000)
    .optional()
    .transform((text, context) => {
      try {
        return JSON.parse(text ?? '{}') as unknown;
      } catch (error) {
        context.addIssue({
          code: 'custom',
          message: `not JSON: ${errorText(error)}`,
        });
        return z.NEVER;
      }
    })
    .pipe(shape);
}

function faultText(issue: z.core.$ZodIssue, given: Readonly<Record<string, unknown>>): string {
  const [variable = '', ...inside] = issue.path.map(String);
  if (given[variable] === undefined) return `${variable} is not set`;
  const where = inside.length > 0 ? `${variable}: ${inside.join('.')}` : variable;
  return `${where}: ${issue.message}`;
}
