import type { PodAnnotations } from '#core/pod/pod-annotations.ts';
import { MIN_SIDECAR_MEMORY } from '#core/pod/pod-annotations.ts';
import { MEBIBYTE, parseQuantity } from '#core/quantity.ts';
import { BUILT_IN_DEFAULTS } from './context.ts';
import type { SidecarDefaults } from './context.ts';
import type { Pod } from './pod.ts';

export interface ResourceBlock {
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
}

/**
 * How many cores the sidecar uses: as annotated, else the installation's default, which is lowered where the annotated memory is
 * too little for so many processes.
 */
export function sidecarCores(annotations: PodAnnotations, { cores = 1 }: SidecarDefaults): number {
  if (annotations.cores !== undefined) return annotations.cores;
  const memory = parseQuantity(annotations.memoryLimit ?? '') ?? Infinity;
  return Math.max(1, Math.min(cores, Math.floor(memory / MIN_SIDECAR_MEMORY)));
}

/**
 * What the sidecar asks for and may use: annotations first, then the installation's defaults, then the built-in ones.
 * Defaults are for one core, and so many times as much for more; an annotation is the whole. A default request above an annotated limit is lowered to it. A pod with resources of its own as a whole
 * (Kubernetes 1.34) keeps its sum: there only what is annotated is written.
 */
export function sidecarResources(
  pod: Pod,
  annotations: PodAnnotations,
  defaults: SidecarDefaults,
): ResourceBlock {
  const { requests, limits } = defaults.resources ?? {};
  const cores = sidecarCores(annotations, defaults);
  const whole = pod.spec.resources !== undefined && pod.spec.resources !== null;
  const pick = (annotated: string | undefined, ...forOneCore: (string | undefined)[]): string | undefined =>
    annotated ??
    (whole
      ? undefined
      : times(
          cores,
          forOneCore.find((value) => value !== undefined),
        ));
  const cpuLimit = pick(annotations.cpuLimit, limits?.cpu);
  const memoryLimit = pick(annotations.memoryLimit, limits?.memory, BUILT_IN_DEFAULTS.memoryLimit);
  const cpuRequest = atMost(
    pick(annotations.cpuRequest, requests?.cpu, BUILT_IN_DEFAULTS.cpuRequest),
    cpuLimit,
  );
  const memoryRequest = atMost(
    pick(annotations.memoryRequest, requests?.memory, BUILT_IN_DEFAULTS.memoryRequest),
    memoryLimit,
  );
  return {
    requests: { ...only('cpu', cpuRequest), ...only('memory', memoryRequest) },
    limits: { ...only('cpu', cpuLimit), ...only('memory', memoryLimit) },
  };
}

/** The image's own flags are for this memory limit, and its compile cache is only good with the image's own flags. */
const IMAGE_MEMORY_MEBIBYTES = 128;

/**
 * Node's flags for a memory limit other than the one the image is made for: half of it for the old generation, the rest
 * for buffers, code and the runtime; a young generation of 1 MiB where memory is short, which costs no measurable CPU.
 *
 * @param memoryLimit of the whole container
 * @param cores processes that share it
 */
export function nodeOptions(memoryLimit: string | undefined, cores: number): string | undefined {
  if (memoryLimit === undefined) return undefined;
  const bytes = (parseQuantity(memoryLimit) ?? 0) / cores;
  const mebibytes = Math.floor(bytes / MEBIBYTE);
  if (mebibytes === IMAGE_MEMORY_MEBIBYTES) return undefined;
  const oldSpace = Math.min(4096, Math.max(32, Math.floor(mebibytes / 2)));
  const semiSpace = mebibytes < 256 ? 1 : mebibytes < 1024 ? 4 : 16;
  return `--max-semi-space-size=${semiSpace} --max-old-space-size=${oldSpace} --tls-min-v1.3`;
}

function atMost(request: string | undefined, limit: string | undefined): string | undefined {
  if (request === undefined || limit === undefined) return request;
  return (parseQuantity(request) ?? 0) > (parseQuantity(limit) ?? Infinity) ? limit : request;
}

/** A quantity so many times, in its own unit. */
function times(factor: number, quantity: string | undefined): string | undefined {
  const [, digits = '', unit = ''] = /^([0-9.]+)(.*)$/.exec(quantity ?? '') ?? [];
  if (quantity === undefined || factor === 1 || digits === '') return quantity;
  // Thousandths are the smallest that Kubernetes keeps.
  return `${Number((Number(digits) * factor).toFixed(3))}${unit}`;
}

function only(key: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [key]: value };
}
