import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parse } from 'yaml';
import { readPlainYaml, type Tree, writePlainYaml } from './plain-yaml.ts';

const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
const { tree } = fc.letrec<{ tree: Tree; node: Tree | string | number | boolean | null }>((tie) => ({
  node: fc.oneof({ depthSize: 'small' }, scalar, tie('tree')),
  tree: fc.dictionary(fc.string({ minLength: 1 }), tie('node'), { maxKeys: 5 }).map((entries) => entries as Tree),
}));
const plainObject = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('what is written is read back the same, here and by a YAML parser', () => {
  fc.assert(
    fc.property(
      tree.filter((one) => Object.keys(one).length > 0 && !JSON.stringify(one).includes('__proto__')),
      (one) => {
        const text = writePlainYaml(one);
        expect(plainObject(readPlainYaml(text))).toEqual(plainObject(one));
        expect(plainObject(parse(text))).toEqual(plainObject(one));
      },
    ),
  );
});

test('YAML beyond what fluxctl writes is left to the YAML parser', () => {
  for (const text of ['a: [1]', 'a:\n    b: 1', '- a', 'a: plain words', 'a: 1\na: 2', 'a: &x 1', 'a: "x" # y', '\ta: 1'])
    expect(readPlainYaml(text)).toBeNull();
});

test('comments and empty lines are skipped', () => {
  expect(plainObject(readPlainYaml('# c\n\na: "x"\n'))).toEqual({ a: 'x' });
});
