import { formatKey } from '@fluxgate/policy';
import { formatNodeToken } from '@fluxgate/protocol/sync';
import { expect, test } from '@jest/globals';
import { createLog } from './log.ts';

test('a credential is cut down to its public part wherever it turns up in a line', () => {
  const secret = 'S'.repeat(43);
  const key = formatKey('k', 'live', 'AAAAAAAAAAAA', secret);
  const token = formatNodeToken('live', 'BBBBBBBBBBBB', secret, 'F'.repeat(43));
  const lines: string[] = [];
  const log = createLog(
    'info',
    (line) => void lines.push(line),
    () => 0,
  );
  log.error({ err: new Error(`failed for ${key}`), nested: { deep: [token] }, [key]: 1 }, `and again ${key}`);
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toContain('SSSSSSSS');
  expect(lines[0]).toContain('fgk_live_AAAAAAAAAAAA');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'error', time: '1970-01-01T00:00:00.000Z' });
});
