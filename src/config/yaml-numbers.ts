/**
 * Numbers in a configuration file as Go's YAML library (goyaml.v2, under sigs.k8s.io/yaml) reads them, and etcd with it:
 * integers in every prefix that Go knows, exact up to 64 bits, underscores anywhere, no times and no base 60.
 */
import type { ScalarTag, Tags } from 'yaml';
import { parseGoInteger } from './go-values.ts';

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;

/** An integer, or a float where 64 bits do not hold it; undefined for text that is no number. */
export function goYamlNumber(text: string): bigint | number | undefined {
  const plain = text.replaceAll('_', '');
  const integer = parseGoInteger(plain);
  if (integer !== undefined && integer >= INT64_MIN && integer <= UINT64_MAX) return integer;
  if (!FLOAT.test(plain)) return undefined;
  const float = Number(plain);
  return Number.isFinite(float) ? float : undefined;
}

/** What looks like a number at its beginning; the text stays one if it is none. */
const NUMBER: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[-+]?\.?\d[\w.+-]*$/,
  resolve: (text) => goYamlNumber(text) ?? text,
};

/** For `!!float 5`, which stays a number without a fraction. */
const FLOAT_TAG: ScalarTag = {
  ...NUMBER,
  tag: 'tag:yaml.org,2002:float',
  resolve: (text) => Number(goYamlNumber(text) ?? NaN),
};

const REPLACED_TAGS = new Set(['tag:yaml.org,2002:int', 'tag:yaml.org,2002:timestamp']);
const REPLACED_FLOATS = new Set(['EXP', 'TIME']);

/** The tags of YAML 1.1, with these numbers in place of its own. */
export function goYamlTags(tags: Tags): Tags {
  const kept = tags.filter((tag) => {
    return typeof tag !== 'object' || !(REPLACED_TAGS.has(tag.tag) || REPLACED_FLOATS.has(tag.format ?? ''));
  });
  return [NUMBER, FLOAT_TAG, ...kept];
}
