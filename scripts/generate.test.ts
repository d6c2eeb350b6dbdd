import { join } from 'node:path';

import { parse } from 'yaml';

import { differences, generated } from './generate.ts';

const ROOT = join(import.meta.dirname, '..');

describe('generated files', () => {
  const files = generated();

  test('are those that are committed', () => {
    expect(differences(ROOT, files)).toEqual([]);
  });

  test('that are missing, changed or left over are named', () => {
    const wanted = new Map([...files].filter(([path]) => path !== 'crds/intentions.yaml'));
    wanted.set('crds/others.yaml', 'x');
    wanted.set('crds/meshconfigs.yaml', 'x');
    expect(differences(ROOT, wanted)).toEqual([
      'crds/meshconfigs.yaml is out of date',
      'crds/others.yaml is missing',
      'crds/intentions.yaml is generated from nothing any more',
    ]);
  });

  test('show the designed columns of intentions, the others with -o wide', () => {
    const columns = columnsOf(files.get('crds/intentions.yaml'));
    const names = (wide: boolean): string[] =>
      columns.filter(({ priority }) => (priority === 1) === wide).map(({ name }) => name.toUpperCase());
    expect(names(false)).toEqual(['SOURCE', 'ACTION', 'DESTINATION', 'PRECEDENCE', 'ENFORCED', 'AGE']);
    expect(names(true)).toEqual(expect.arrayContaining(['HITS', 'LAST-USED', 'MODE']));
  });

  test.each([...files.keys()].filter((path) => path.startsWith('crds/')))(
    '%s describes every field',
    (path) => {
      const definition = parse(files.get(path) ?? '') as Definition;
      expect(undescribed(definition.spec.versions[0]?.schema.openAPIV3Schema ?? {})).toEqual([]);
    },
  );
});

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

interface Definition {
  readonly spec: {
    readonly versions: readonly {
      readonly additionalPrinterColumns: readonly { readonly name: string; readonly priority?: number }[];
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

function columnsOf(
  text: string | undefined,
): readonly { readonly name: string; readonly priority?: number }[] {
  return (parse(text ?? '') as Definition).spec.versions[0]?.additionalPrinterColumns ?? [];
}

/** Paths of fields that `kubectl explain` would have nothing to say about. */
function undescribed(schema: Schema, path = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    ...(field.description === undefined && name !== 'metadata' ? [`${path}.${name}`] : []),
    ...undescribed(field, `${path}.${name}`),
    ...(field.items ? undescribed(field.items, `${path}.${name}[]`) : []),
  ]);
}
