import { compilePlan, type RealmConfig } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import { diagnose, emptyConfig, mergeConfig, parseConfig, renderConfig } from './index.ts';

function read(apiKey: string): { readonly config: RealmConfig; readonly problems: readonly string[] } {
  const text = `route: /orders\nupstream: http://127.0.0.1:9000\nmiddleware:\n  - api_key: ${apiKey}\n`;
  const parsed = parseConfig([{ name: 'a.yaml', text }]);
  const config = mergeConfig(emptyConfig(), parsed.input);
  const all = [...parsed.diagnostics, ...diagnose(config, parsed.positions)];
  return { config, problems: all.map((one) => `${one.line} ${one.code}: ${one.message}`) };
}

test('a route that asks for signatures is read, written back the same and compiled', () => {
  for (const text of [
    '{ signature: required }',
    '{ signature: required, signature_max_age: 30s, signature_covers: ["content-type", "@scheme"], scopes: ["a"] }',
  ]) {
    const { config, problems } = read(text);
    expect(problems).toEqual([]);
    const again = parseConfig([{ name: 'b.yaml', text: renderConfig(config) }]);
    expect(mergeConfig(emptyConfig(), again.input)).toEqual(config);
  }
  const { config } = read('{ signature: required, signature_max_age: 30s, signature_covers: content-type }');
  expect(config.routes[0]?.middleware[0]).toMatchObject({ signature: { maxAgeMs: 30_000, covers: ['content-type'] } });
  expect(compilePlan(config).routes[0]?.check).toMatchObject({ kind: 'api_key', signature: { maxAgeMs: 30_000 } });
});

test('off is the default and leaves no trace', () => {
  expect(read('{ signature: off }').config).toEqual(read('{}').config);
  expect(renderConfig(read('{}').config)).not.toContain('signature');
});

test.each([
  ['{ signature: optional }', 'bad_value'],
  ['{ signature_max_age: 30s }', 'conflict'],
  ['{ signature: required, signature_max_age: 2h }', 'bad_value'],
  ['{ signature: required, signature_covers: ["Content-Type"] }', 'bad_value'],
  ['{ signature: required, signature_covers: ["@status"] }', 'bad_value'],
])('%s is refused with its line', (text, code) => {
  expect(read(text).problems.join('\n')).toMatch(new RegExp(`^4 ${code}`));
});

test('a bare key beside a signed one is pointed out: then nobody has to sign', () => {
  const text =
    'route: /o\nupstream: http://127.0.0.1:9000\nmiddleware:\n  - any_of: [{ api_key: { signature: required } }, { api_key: { scopes: ["x"] } }]\n';
  const parsed = parseConfig([{ name: 'a.yaml', text }]);
  const found = diagnose(mergeConfig(emptyConfig(), parsed.input), parsed.positions);
  expect(found).toMatchObject([{ code: 'signature_optional', severity: 'warning' }]);
});
