import type { KubeObject } from '#core/resource.ts';

/** The seam between the mesh and the Kubernetes API: what rooms above ask for, and nothing of how it travels. */

/** A kind of object as the API addresses it. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** `apiVersion` of the objects, where it is not that of the path: what is posted to some subresources is of another group. */
  readonly objectVersion?: string;
  /** Brings what an older API version sends into the shape of `T`; applied to every object that is read. */
  decode?(wire: T): T;
  /** Never set: carries the object's type. */
  readonly object?: T;
}

export interface ObjectName {
  readonly name: string;
  readonly namespace?: string;
}

export interface Selection {
  /** Only this namespace; all namespaces when absent. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListPage<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Present while there is more: pass it as `continueToken`. */
  readonly continueToken?: string;
}

/** What a watch delivers. A bookmark carries only a resourceVersion. */
export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export interface RequestOptions {
  readonly signal?: AbortSignal;
}

/**
 * One API server. Every method throws `KubeError` when the server refuses, and `KubeConnectionError` when it cannot be
 * reached or stops answering.
 */
export interface KubeApi {
  get<T extends KubeObject>(type: ResourceType<T>, name: ObjectName, options?: RequestOptions): Promise<T>;
  list<T extends KubeObject>(
    type: ResourceType<T>,
    selection?: Selection & { readonly limit?: number; readonly continueToken?: string },
    options?: RequestOptions,
  ): Promise<ListPage<T>>;
  /** Streams changes after `resourceVersion`; ends when the server closes the stream; throws `KubeError` 410 when it is too old. */
  watch<T extends KubeObject>(
    type: ResourceType<T>,
    selection: Selection & { readonly resourceVersion: string; readonly timeoutSeconds: number },
    options?: RequestOptions,
  ): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: RequestOptions): Promise<T>;
  /** Replaces the object; 409 when its resourceVersion is no longer the newest. */
  update<T extends KubeObject>(type: ResourceType<T>, object: T, options?: RequestOptions): Promise<T>;
  /** JSON merge patch (RFC 7386), of the object or of its status. */
  mergePatch<T extends KubeObject>(
    type: ResourceType<T>,
    name: ObjectName,
    patch: object,
    options?: RequestOptions & { readonly subresource?: 'status' },
  ): Promise<T>;
  /** Server-side apply as `fieldManager`, taking over contested fields. */
  apply<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    fieldManager: string,
    options?: RequestOptions & { readonly subresource?: 'status' },
  ): Promise<T>;
  delete<T extends KubeObject>(
    type: ResourceType<T>,
    name: ObjectName,
    options?: RequestOptions,
  ): Promise<void>;
  /** A plain request for what is not a resource: `/version`, `/apis`, `/readyz`. */
  raw(path: string, options?: RequestOptions): Promise<unknown>;
}
