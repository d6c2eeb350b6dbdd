import type { Steps } from './steps.ts';

/** What `status` found. */
export interface ClusterStatus {
  up: boolean;
  /** Lines for a human reader. */
  lines: string[];
}

/** A way to have a real Kubernetes cluster on this machine. */
export interface ClusterBackend {
  /** Shown to the user: which kind of cluster this is. */
  readonly name: string;
  /** What builds images for it. */
  readonly builder: 'docker' | 'buildah';
  /** Installs and builds everything that {@link up} needs, so that a cache can be filled ahead. */
  prepare(steps: Steps): Promise<void>;
  /** Brings the cluster up and returns when its node is ready; returns at once when it is up already. */
  up(steps: Steps): Promise<void>;
  /** Takes it down and leaves nothing behind; harmless when there is none. */
  down(steps: Steps): Promise<void>;
  status(): Promise<ClusterStatus>;
  /**
   * Makes an image usable by pods.
   * @param source path of an OCI or Docker archive, or the name of an image that the builder has
   * @returns the names under which pods may use it
   */
  loadImage(source: string): Promise<string[]>;
  /** Names of all images that pods may use without a registry. */
  images(): Promise<string[]>;
  /** Stops one component of the control plane or the node, for chaos tests. */
  stop(component: string): Promise<void>;
  /** Starts it again, with the same arguments, and returns when it answers. */
  start(component: string): Promise<void>;
}
