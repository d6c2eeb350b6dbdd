import 'reflect-metadata';

import { webcrypto } from 'node:crypto';

import * as x509 from '@peculiar/x509';

import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId, trustDomain } from '#core/spiffe-id.ts';
import type { SpiffeId, TrustDomain } from '#core/spiffe-id.ts';

import { generateKeys, privateKeyPem, sha256Hex, spkiDer } from '../keys.ts';
import type { KeyPair } from '../keys.ts';
import { toPem } from '../pem.ts';
import { BACKDATE_MS, issueRoot, issueServing, leafCommonName, readSigner } from '../profile.ts';
import type { Signer } from '../profile.ts';
import { readSvid } from '../svid.ts';
import type { Svid } from '../svid.ts';
import { TrustBundle } from '../trust-bundle.ts';

/** What a test may bend in a leaf. Times as Unix time in milliseconds. */
export interface LeafBends {
  readonly ttlMs?: number;
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Instead of both. */
  readonly eku?: readonly ('clientAuth' | 'serverAuth')[];
  /** Names besides the SPIFFE ID. */
  readonly extraSans?: readonly { readonly type: 'url' | 'dns' | 'ip' | 'email'; readonly value: string }[];
  /** Instead of the service's own; any text, or null for no URI name at all. */
  readonly uri?: string | null;
  readonly ca?: boolean;
  /** `KeyUsageFlags` of the library, such as 32 for signing certificates. */
  readonly keyUsage?: number;
  readonly keys?: KeyPair;
}

const EKU = { clientAuth: '1.3.6.1.5.5.7.3.2', serverAuth: '1.3.6.1.5.5.7.3.1' } as const;

/** A certificate authority in memory, for tests of every room. */
export class TestPki {
  readonly trustDomain: TrustDomain;
  readonly datacenter: string;
  readonly rootPem: string;
  readonly rootKeyPem: string;
  readonly signer: Signer;
  /** Certificates between leaf and root, handed out with every leaf. */
  readonly #chainPem: string;

  private constructor(made: {
    trustDomain: TrustDomain;
    datacenter: string;
    rootPem: string;
    rootKeyPem: string;
    signer: Signer;
    chainPem: string;
  }) {
    this.trustDomain = made.trustDomain;
    this.datacenter = made.datacenter;
    this.rootPem = made.rootPem;
    this.rootKeyPem = made.rootKeyPem;
    this.signer = made.signer;
    this.#chainPem = made.chainPem;
  }

  static async create(
    options: { readonly trustDomain?: string; readonly datacenter?: string; readonly now?: number } = {},
  ): Promise<TestPki> {
    const domain = trustDomain(options.trustDomain ?? 'cluster.local');
    const keys = await generateKeys();
    const rootPem = await issueRoot(keys, domain, options.now ?? Date.now());
    const rootKeyPem = privateKeyPem(keys.privateKey);
    const signer = await readSigner(rootPem, rootKeyPem);
    return new TestPki({
      trustDomain: domain,
      datacenter: options.datacenter ?? 'dc1',
      rootPem,
      rootKeyPem,
      signer,
      chainPem: '',
    });
  }

  /** Another authority that claims the same trust domain: its certificates must never be trusted. */
  async foreign(): Promise<TestPki> {
    return TestPki.create({ trustDomain: this.trustDomain, datacenter: this.datacenter });
  }

  /** The same root, signing through an intermediate. */
  async withIntermediate(): Promise<TestPki> {
    const keys = await generateKeys();
    const now = Date.now();
    const chainPem = await this.#certificate({
      keys,
      commonName: 'intermediate',
      names: [{ type: 'url', value: `spiffe://${this.trustDomain}` }],
      notBefore: now - BACKDATE_MS,
      notAfter: now + 365 * 24 * 3600 * 1000,
      ca: true,
    });
    const signer = await readSigner(chainPem, privateKeyPem(keys.privateKey));
    return new TestPki({ ...this, signer, chainPem });
  }

  get bundlePem(): string {
    return this.rootPem;
  }

  get bundle(): TrustBundle {
    return TrustBundle.of(this.trustDomain, this.rootPem);
  }

  spiffeId(who: { readonly namespace: string; readonly service: string }): SpiffeId {
    return serviceSpiffeId(this, {
      namespace: namespaceName(who.namespace),
      service: serviceName(who.service),
    });
  }

  /** A workload's identity. With bends that make it no SVID (no URI name, CA:TRUE), use {@link leaf}. */
  async svid(
    who: { readonly namespace: string; readonly service: string },
    bends: LeafBends = {},
  ): Promise<Svid> {
    return readSvid(await this.leaf(who, bends));
  }

  /** A workload's certificate and key, however bent. */
  async leaf(
    who: { readonly namespace: string; readonly service: string },
    bends: LeafBends = {},
  ): Promise<{ readonly certChainPem: string; readonly keyPem: string }> {
    const keys = bends.keys ?? (await generateKeys());
    const now = Date.now();
    const uri = bends.uri === undefined ? this.spiffeId(who) : bends.uri;
    const identity = { namespace: namespaceName(who.namespace), service: serviceName(who.service) };
    const certificate = await this.#certificate({
      keys,
      commonName: leafCommonName(identity, this.trustDomain),
      names: [...(uri === null ? [] : [{ type: 'url' as const, value: uri }]), ...(bends.extraSans ?? [])],
      notBefore: bends.notBefore ?? now - BACKDATE_MS,
      notAfter: bends.notAfter ?? now + (bends.ttlMs ?? 24 * 3600 * 1000),
      ca: bends.ca ?? false,
      ...(bends.keyUsage === undefined ? {} : { keyUsage: bends.keyUsage }),
      eku: bends.eku ?? ['clientAuth', 'serverAuth'],
    });
    return { certChainPem: certificate + this.#chainPem, keyPem: privateKeyPem(keys.privateKey) };
  }

  /** An HTTPS server's certificate and key. */
  async serving(
    dnsNames: readonly string[],
  ): Promise<{ readonly certChainPem: string; readonly keyPem: string }> {
    const keys = await generateKeys();
    const certificate = await issueServing(this.signer, {
      now: Date.now(),
      ttlMs: 24 * 3600 * 1000,
      spki: spkiDer(keys.publicKey),
      dnsNames,
    });
    return { certChainPem: certificate + this.#chainPem, keyPem: privateKeyPem(keys.privateKey) };
  }

  async #certificate(what: {
    keys: KeyPair;
    commonName: string;
    names: x509.JsonGeneralNames;
    notBefore: number;
    notAfter: number;
    ca: boolean;
    keyUsage?: number;
    eku?: readonly ('clientAuth' | 'serverAuth')[];
  }): Promise<string> {
    const spki = spkiDer(what.keys.publicKey);
    const usage = x509.KeyUsageFlags;
    const certificate = await x509.X509CertificateGenerator.create(
      {
        notBefore: new Date(what.notBefore),
        notAfter: new Date(what.notAfter),
        subject: `CN=${what.commonName}`,
        issuer: this.signer.certificate.subjectName,
        publicKey: spki,
        signingKey: this.signer.key,
        extensions: [
          new x509.BasicConstraintsExtension(what.ca, undefined, true),
          new x509.KeyUsagesExtension(
            what.keyUsage !== undefined
              ? what.keyUsage
              : what.ca
                ? usage.keyCertSign | usage.cRLSign | usage.digitalSignature
                : usage.digitalSignature | usage.keyAgreement,
            true,
          ),
          ...(what.eku && what.eku.length > 0
            ? [
                new x509.ExtendedKeyUsageExtension(
                  what.eku.map((name) => EKU[name]),
                  false,
                ),
              ]
            : []),
          ...(what.names.length > 0 ? [new x509.SubjectAlternativeNameExtension(what.names, false)] : []),
          new x509.SubjectKeyIdentifierExtension(sha256Hex(spki), false),
          new x509.AuthorityKeyIdentifierExtension(
            sha256Hex(Buffer.from(this.signer.certificate.publicKey.rawData)),
            false,
          ),
        ],
      },
      webcrypto,
    );
    return toPem('CERTIFICATE', new Uint8Array(certificate.rawData));
  }
}
