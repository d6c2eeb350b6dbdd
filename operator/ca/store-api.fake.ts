import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import type { KubeApi, ObjectName, ResourceType } from '#kube/api.ts';
import { KubeError } from '#kube/errors.ts';

/** What a test sees of a call, and may do before it is answered: throw, wait, change the store. */
export type Before = (call: {
  readonly method: 'get' | 'create';
  readonly plural: string;
  readonly key: string;
}) => void | Promise<void>;

/** Objects in memory that can be read and created; every other request fails the test. */
export class StoreApi {
  readonly objects = new Map<string, KubeObject>();
  /** `get secrets mesh/mesh-ca`, in order. */
  readonly calls: string[] = [];
  before: Before = () => undefined;
  /** Answers creations of what is not stored, such as TokenReviews. */
  readonly answers = new Map<string, (object: KubeObject) => KubeObject>();

  get api(): KubeApi {
    return this as unknown as KubeApi;
  }

  put(plural: string, object: KubeObject): void {
    this.objects.set(`${plural} ${objectKey(object)}`, object);
  }

  remove(plural: string, key: string): void {
    this.objects.delete(`${plural} ${key}`);
  }

  async get<T extends KubeObject>(type: ResourceType<T>, name: ObjectName): Promise<T> {
    const key = name.namespace ? `${name.namespace}/${name.name}` : name.name;
    await this.#called('get', type.plural, key);
    const found = this.objects.get(`${type.plural} ${key}`);
    if (!found)
      throw new KubeError({ status: 404, reason: 'NotFound', message: `${type.plural} "${key}" not found` });
    return found as T;
  }

  async create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
    const key = objectKey(object);
    await this.#called('create', type.plural, key);
    const answer = this.answers.get(type.plural);
    if (answer) return answer(object) as T;
    const stored = `${type.plural} ${key}`;
    if (this.objects.has(stored)) {
      throw new KubeError({
        status: 409,
        reason: 'AlreadyExists',
        message: `${type.plural} "${key}" already exists`,
      });
    }
    this.objects.set(stored, object);
    return object;
  }

  async #called(method: 'get' | 'create', plural: string, key: string): Promise<void> {
    this.calls.push(`${method} ${plural} ${key}`);
    await this.before({ method, plural, key });
  }
}
