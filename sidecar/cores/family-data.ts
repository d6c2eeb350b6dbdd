import type { Family, Labels, Sample } from '../admin/metrics/exposition.ts';
import { list, num, object, oneOf, optionalText, text, texts } from './reading.ts';

/** A family of numbers as it was at one moment, fit to be sent to another process. */
export interface FamilyData extends Omit<Family, 'samples'> {
  readonly samples: readonly Sample[];
}

/** Reads families now. One that fails is left out, as are numbers that are none (a time that is not known yet). */
export function dataOf(families: Iterable<Family>): readonly FamilyData[] {
  return [...families].flatMap(({ name, help, type, labels, samples }) => {
    try {
      const finite = [...samples()].filter(({ value }) => Number.isFinite(value));
      return finite.length === 0 ? [] : [{ name, help, type, labels, samples: finite }];
    } catch {
      return [];
    }
  });
}

/** The way back: what writes metrics takes families. */
export function familyOf(data: FamilyData): Family {
  return { ...data, samples: () => data.samples };
}

/** @throws TypeError where it is something else */
export function readFamilies(value: unknown): readonly FamilyData[] {
  return list(value, (one) => {
    const from = object(one);
    return {
      name: text(from['name']),
      help: text(from['help']),
      type: oneOf(['counter', 'gauge', 'histogram'], from['type']),
      labels: texts(from['labels']),
      samples: list(from['samples'], readSample),
    };
  });
}

function readSample(value: unknown): Sample {
  const from = object(value);
  return {
    ...optionalText('suffix', from['suffix']),
    ...(from['labels'] === undefined ? {} : { labels: readLabels(from['labels']) }),
    value: num(from['value']),
  };
}

function readLabels(value: unknown): Labels {
  const labels = object(value);
  for (const label of Object.values(labels)) text(label);
  return labels as Labels;
}
