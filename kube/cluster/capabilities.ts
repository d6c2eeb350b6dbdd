import type { KubeApi, RequestOptions } from '../api.ts';

/** What the API server can do, read once at start. Everything that depends on the server's age asks here. */
export interface Capabilities {
  readonly version: { readonly major: number; readonly minor: number };
  /** Init containers with `restartPolicy: Always` (on by default since 1.29). */
  readonly nativeSidecars: boolean;
  /** `matchConditions` of admission webhooks (on by default since 1.28). */
  readonly matchConditions: boolean;
  /** CEL rules in CustomResourceDefinitions (on by default since 1.25). */
  readonly crdValidationRules: boolean;
  readonly endpointSliceVersion: 'v1' | 'v1beta1';
}

/** Capabilities of a server of a given version; for tests and for whoever knows the version already. */
export function capabilitiesOf(major: number, minor: number): Capabilities {
  const since = (wanted: number): boolean => major > 1 || (major === 1 && minor >= wanted);
  return {
    version: { major, minor },
    nativeSidecars: since(29),
    matchConditions: since(28),
    crdValidationRules: since(25),
    endpointSliceVersion: since(21) ? 'v1' : 'v1beta1',
  };
}

/**
 * Asks the server for its version and for the API versions where the mesh has a choice.
 *
 * @throws KubeError, KubeConnectionError when it cannot be asked
 * @throws RangeError when it names no version that can be read, or one older than 1.20
 */
export async function readCapabilities(api: KubeApi, options?: RequestOptions): Promise<Capabilities> {
  const version = (await api.raw('/version', options)) as
    { major?: unknown; minor?: unknown; gitVersion?: unknown } | undefined;
  const [, major, minor] =
    /^(\d+)\.(\d+)/.exec(`${leadingDigits(version?.major)}.${leadingDigits(version?.minor)}`) ??
    /^v?(\d+)\.(\d+)/.exec(typeof version?.gitVersion === 'string' ? version.gitVersion : '') ??
    [];
  if (major === undefined || minor === undefined) {
    throw new RangeError(
      'the API server does not tell its version under /version, so the mesh cannot know what it can do',
    );
  }
  const capabilities = capabilitiesOf(Number(major), Number(minor));
  if (capabilities.version.major === 1 && capabilities.version.minor < 20) {
    throw new RangeError(`the API server is Kubernetes ${major}.${minor}; the mesh needs 1.20 or newer`);
  }
  return { ...capabilities, endpointSliceVersion: await endpointSliceVersion(api, capabilities, options) };
}

async function endpointSliceVersion(
  api: KubeApi,
  byVersion: Capabilities,
  options?: RequestOptions,
): Promise<Capabilities['endpointSliceVersion']> {
  const group = (await api.raw('/apis/discovery.k8s.io', options)) as
    { versions?: { version?: string }[] } | undefined;
  const offered = group?.versions?.map(({ version }) => version) ?? [];
  if (offered.includes('v1')) return 'v1';
  if (offered.includes('v1beta1')) return 'v1beta1';
  return byVersion.endpointSliceVersion;
}

/** Vendors write minor versions such as "20+". */
function leadingDigits(value: unknown): string {
  return typeof value === 'string' ? (/^\d+/.exec(value)?.[0] ?? '') : '';
}
