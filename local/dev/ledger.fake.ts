import type { ContractResponse, Http } from '../apiserver/contract/http.fake.ts';

/** What somebody knows of an object: the number of its last write, or that it is not there. */
type Number_ = number | undefined;

interface Account {
  readonly kind: Kind;
  readonly name: string;
  /** What was acknowledged last. */
  known: Number_;
  version: number;
  /** What was asked for and not answered. */
  asked?: { readonly number: Number_ };
}

interface Kind {
  readonly path: string;
  /** An object in which every part says the number. */
  readonly object: (name: string, number: number) => Record<string, unknown>;
  /** Every number an object says. */
  readonly numbers: (body: ContractResponse['body']) => readonly string[];
}

const NAMES = 4;
/** Large enough that a half of it would be noticed. */
const COPIES = 200;
const copies = (number: number): string => Array.from({ length: COPIES }, () => String(number)).join(' ');

const CONFIG_MAPS: Kind = {
  path: '/api/v1/namespaces/default/configmaps',
  object: (name, number) => ({
    metadata: { name, annotations: { number: String(number) } },
    data: { number: String(number), copies: copies(number) },
  }),
  numbers: ({ metadata, data }) => [
    metadata.annotations.number as string,
    data.number as string,
    ...(data.copies as string).split(' '),
  ],
};
const INTENTIONS: Kind = {
  path: '/apis/mesh.dev/v1alpha1/namespaces/default/intentions',
  object: (name, number) => ({
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'Intention',
    metadata: { name, annotations: { number: String(number), copies: copies(number) } },
    spec: {
      source: { service: name },
      destination: { service: name },
      action: 'allow',
      description: String(number),
    },
  }),
  numbers: ({ metadata: { annotations }, spec }) => [
    annotations.number as string,
    ...(annotations.copies as string).split(' '),
    spec.description as string,
  ],
};

/** Writes to an API server, several at once, and keeps account of what was acknowledged. */
export class Ledger {
  readonly #accounts: Account[] = [];
  #next = 0;
  /** Highest resourceVersion anybody was told. */
  #highest = 0;
  /** Writes that were acknowledged. */
  acknowledged = 0;
  /** Writes of which nobody heard, and that had happened. */
  unheard = 0;

  constructor() {
    for (const kind of [CONFIG_MAPS, INTENTIONS])
      for (let i = 0; i < NAMES; i++)
        this.#accounts.push({ kind, name: `kill-${i}`, known: undefined, version: 0 });
  }

  /** Writes until the server is gone; each object has its writer. @throws Error for an answer that nobody expects */
  async write(http: Http): Promise<void> {
    await Promise.all(
      this.#accounts.map(async (account) => {
        for (;;) {
          const answer = await this.#step(http, account).catch(() => undefined);
          if (!answer) return;
          this.#settle(account, answer);
        }
      }),
    );
  }

  /** Holds what is there against the account. @throws Error saying what was lost */
  async check(http: Http): Promise<void> {
    for (const account of this.#accounts) {
      const { kind, name, known, version, asked } = account;
      const { status, body } = await http.get(`${kind.path}/${name}`);
      const found = status === 404 ? undefined : wholeNumber(kind, body);
      const where = `${kind.path}/${name}: acknowledged ${known ?? 'absent'}, asked for ${asked ? (asked.number ?? 'absent') : 'nothing'}, found ${found ?? 'absent'}`;
      const isUnheard = asked !== undefined && found === asked.number;
      if (found !== known && !isUnheard) throw new Error(`a write was lost at ${where}`);
      if (isUnheard && found !== known) this.unheard += 1;
      if (found !== undefined && Number(body.metadata.resourceVersion) < version)
        throw new Error(`a version went back at ${where}`);
      account.known = found;
      delete account.asked;
      this.#told(account, body);
    }
    const { body } = await http.get(CONFIG_MAPS.path);
    if (Number(body.metadata.resourceVersion) < this.#highest)
      throw new Error(
        `resourceVersion ${body.metadata.resourceVersion}, and ${this.#highest} was given away before`,
      );
  }

  /** Notes versions that a watch tells of, until it ends. */
  async watch(http: Http): Promise<void> {
    const path = `${CONFIG_MAPS.path}?watch=true&resourceVersion=${this.#highest}`;
    await http
      .watch(path, Infinity, undefined, ({ object }) => {
        this.#highest = Math.max(this.#highest, Number(object.metadata.resourceVersion));
      })
      .catch(() => undefined);
  }

  #step(http: Http, account: Account): Promise<ContractResponse> {
    const { kind, name, known, version } = account;
    const path = `${kind.path}/${name}`;
    const number = (this.#next += 1);
    if (known === undefined) {
      account.asked = { number };
      return http.post(kind.path, kind.object(name, number));
    }
    const chance = Math.random();
    if (chance < 0.2) {
      account.asked = { number: undefined };
      return http.delete(path);
    }
    account.asked = { number };
    const object = kind.object(name, number);
    if (chance < 0.6 || version === 0) return http.patch(path, 'merge', object);
    const metadata = { ...(object.metadata as object), resourceVersion: String(version) };
    return http.put(path, { ...object, metadata });
  }

  #settle(account: Account, { status, body }: ContractResponse): void {
    const { asked } = account;
    delete account.asked;
    if (status === 409) {
      // The operator wrote the status of an Intention in between; the next write does not ask for a version.
      if (account.kind !== INTENTIONS) throw new Error(`nobody else writes there: ${body.message}`);
      account.version = 0;
      return;
    }
    if (status !== 200 && status !== 201) throw new Error(`${status}: ${body.message}`);
    account.known = asked?.number;
    this.acknowledged += 1;
    this.#told(account, body);
  }

  #told(account: Account, { metadata }: ContractResponse['body']): void {
    const version = Number(metadata?.resourceVersion ?? 0);
    account.version = account.known === undefined ? 0 : version;
    this.#highest = Math.max(this.#highest, version);
  }
}

/** The number that all parts of an object say. @throws Error when they differ */
function wholeNumber(kind: Kind, body: ContractResponse['body']): number {
  const numbers = new Set(kind.numbers(body));
  if (numbers.size !== 1) throw new Error(`half an object: ${JSON.stringify(body).slice(0, 500)}`);
  return Number([...numbers][0]);
}
