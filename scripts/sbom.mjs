/**
 * A software bill of materials in CycloneDX 1.6 (ECMA-424) of one bundle, or of the image around it. The same inputs make the same bytes: no time,
 * no random number.
 */

/**
 * @param name of the process, such as "sidecar"
 * @param inputs what esbuild's metafile says of the files of the bundle: each with how much it gave
 * @param lock package-lock.json
 * @param natives names of npm packages that lie beside the bundle
 * @param image Debian's packages in the image, and Node's versions; undefined for the bundle alone
 * @throws Error for a package that package-lock.json does not pin
 */
export function sbomOf({ name, inputs, lock, natives, image }) {
  const places = [...new Set(inputs.flatMap(placeOf))];
  const components = [
    ...[...places, ...natives.map((native) => `node_modules/${native}`)].map((place) => ofNpm(place, lock)),
    ...(image ? [ofNode(image.versions), ...image.packages.map(ofDebian)] : []),
  ];
  const unique = new Map(components.map((component) => [component['bom-ref'], component]));
  const { version, license } = lock.packages[''];
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: image ? 'container' : 'application',
        'bom-ref': `mesh-${name}`,
        name: `mesh-${name}`,
        version,
        licenses: licences(license),
      },
    },
    components: [...unique.values()].sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)),
  };
}

/** Where package-lock.json has the package that a file is of; nothing for our own files and Node's modules. */
function placeOf([path, { bytesInOutput }]) {
  const start = path.indexOf('node_modules/');
  if (start < 0 || bytesInOutput === 0) return [];
  return [/^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path.slice(start))[0]];
}

function ofNpm(place, { packages }) {
  const { version, integrity, license } = packages[place] ?? {};
  const [algorithm, hash] = integrity?.split(' ').at(-1)?.split('-') ?? [];
  if (!version || algorithm !== 'sha512')
    throw new Error(`package-lock.json has no version or no SHA-512 of ${place}.`);
  const [scope, name] = /^(?:(@[^/]+)\/)?(.+)$/
    .exec(place.slice(place.lastIndexOf('node_modules/') + 13))
    .slice(1);
  const purl = `pkg:npm/${scope ? `${encodeURIComponent(scope)}/` : ''}${name}@${encodeURIComponent(version)}`;
  return {
    type: 'library',
    'bom-ref': purl,
    ...(scope && { group: scope }),
    name,
    version,
    purl,
    hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }],
    licenses: licences(license),
  };
}

/** Names in process.versions that are numbers of interfaces, not programs. */
const NO_PROGRAMS = ['node', 'modules', 'napi'];

function ofNode(versions) {
  const purl = `pkg:generic/node@${versions.node}`;
  return {
    type: 'platform',
    'bom-ref': purl,
    name: 'node',
    version: versions.node,
    purl,
    cpe: `cpe:2.3:a:nodejs:node.js:${versions.node}:*:*:*:*:*:*:*`,
    components: Object.entries(versions)
      .filter(([name]) => !NO_PROGRAMS.includes(name))
      .map(([name, version]) => ({ type: 'library', 'bom-ref': `${purl}#${name}`, name, version })),
  };
}

function ofDebian({ name, version, architecture }) {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
  return { type: 'library', 'bom-ref': purl, name, version, purl };
}

/** An SPDX identifier, or an expression of several. */
function licences(text) {
  if (!text) return [];
  return / (AND|OR|WITH) /.test(text) ? [{ expression: text }] : [{ license: { id: text } }];
}
