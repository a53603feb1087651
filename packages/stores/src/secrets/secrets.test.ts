import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { SecretStore } from '../ports/secret-store.ts';
import { createKek, createKekFile, KekRefused, loadKek } from './kek.ts';
import { resolveSecretRef } from './resolve.ts';
import { Secret } from './secret.ts';
import { defaultPrefixes, parseSecretRef } from './secret-ref.ts';

const home = mkdtempSync(join(tmpdir(), 'fluxgate-secrets-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test('a secret shows itself to nobody who does not ask for it by name', () => {
  const secret = Secret.fromText('hunter2');
  const error = new Error('failed', { cause: secret });
  const shown = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true, depth: 9 }),
    inspect(error),
  ];
  expect(shown.filter((text) => text.includes('hunter2'))).toEqual([]);
  expect(Object.keys(secret)).toEqual([]);
  expect(secret.reveal()).toBe('hunter2');
});

describe('the key-encryption key', () => {
  const file = (name: string, text: string, mode = 0o600) => {
    const path = join(home, name);
    writeFileSync(path, text, { mode });
    chmodSync(path, mode);
    return path;
  };
  const base64 = Buffer.alloc(32, 1).toString('base64');

  test('is read from base64 or hex, and made with mode 0600 only where there is none', () => {
    const path = join(home, 'made');
    expect(createKekFile(path)).toBe(true);
    expect(createKekFile(path)).toBe(false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const sealed = loadKek(path).seal(Buffer.from('x'), ['p']);
    expect(Buffer.from(loadKek(path).open(sealed, ['p'])).toString()).toBe('x');
    const same = [base64, `${base64}\n`, Buffer.alloc(32, 1).toString('hex'), Buffer.alloc(32, 1).toString('base64url')].map(
      (text, i) => Buffer.from(loadKek(file(`k${i}`, text)).derive('d')).toString('hex'),
    );
    expect(new Set(same).size).toBe(1);
  });

  test.each([
    ['open to others', () => file('open', base64, 0o640), /chmod 600/],
    ['too short', () => file('short', 'c2hvcnQ='), /32 bytes/],
    ['missing', () => join(home, 'nowhere'), /openssl rand/],
    ['a directory', () => home, /not a file|open to others|cannot be read/],
  ])('a file that is %s is refused with a remedy', (_, make, remedy) => {
    const path = make();
    expect(() => loadKek(path)).toThrow(KekRefused);
    expect(() => loadKek(path)).toThrow(remedy);
  });

  test('what is sealed differs each time, opens nowhere else, and not when one bit is changed', () => {
    const kek = createKek(Secret.fromBytes(Buffer.alloc(32, 2)));
    const plain = Buffer.from('value');
    const sealed = kek.seal(plain, ['a', 'b']);
    expect(Buffer.compare(sealed, kek.seal(plain, ['a', 'b']))).not.toBe(0);
    expect(() => kek.open(sealed, ['a', 'c'])).toThrow(/does not open/);
    expect(() => kek.open(sealed, ['ab'])).toThrow(/does not open/);
    for (let i = 1; i < sealed.length; i++) {
      const damaged = Uint8Array.from(sealed);
      damaged[i] = (damaged[i] ?? 0) ^ 1;
      expect(() => kek.open(damaged, ['a', 'b'])).toThrow();
    }
    expect(() => kek.open(sealed.subarray(0, 20), ['a', 'b'])).toThrow(/not a sealed value/);
  });
});

describe('a secret reference', () => {
  const directory = join(home, 'dir');
  mkdirSync(directory);
  const prefixes = defaultPrefixes(directory);

  test.each([
    ['vault:secret/data/oauth2#client_secret', { kind: 'vault', path: 'secret/data/oauth2', field: 'client_secret' }],
    [`file:${directory}/db`, { kind: 'file', path: `${directory}/db` }],
    ['env:FLUXGATE_SECRET_DB', { kind: 'env', name: 'FLUXGATE_SECRET_DB' }],
  ])('%s is understood', (text, ref) => {
    expect(parseSecretRef(text, prefixes)).toEqual({ ok: true, ref });
  });

  test.each([
    'vault:secret/data/oauth2',
    'vault:secret/data/#f',
    'vault:secret/data/../keys#f',
    'vault:secret/data//x#f',
    'vault:secret/database/x#f',
    'vault:other/data/x#f',
    'vault:secret/data/x#a/b',
    'file:/etc/passwd',
    `file:${directory}`,
    `file:${directory}/../made`,
    `file:${directory}-other/x`,
    'file:relative',
    'env:DATABASE_URL',
    'env:FLUXGATE_SECRET_',
    'env:FLUXGATE_KEK_FILE',
    'http://169.254.169.254/',
    'plain text',
    '',
  ])('%p is refused with a remedy: it could reach what is not meant for configurations', (text) => {
    expect(parseSecretRef(text, prefixes)).toMatchObject({ ok: false, why: expect.any(String), remedy: expect.any(String) });
  });

  test('without a secrets directory no file is read', () => {
    expect(parseSecretRef(`file:${directory}/db`, defaultPrefixes(null))).toMatchObject({ ok: false });
  });

  test('values are found in the store, in files and in the environment; what is missing is said, not thrown', async () => {
    const store = {
      get: async (path: string) => (path === 'secret/data/a' ? Secret.fromText('from-store') : null),
    } as unknown as SecretStore;
    const from = { store, prefixes, env: { FLUXGATE_SECRET_A: 'from-env' } };
    writeFileSync(join(directory, 'a'), 'from-file\n');
    writeFileSync(join(home, 'outside'), 'outside');
    symlinkSync(join(home, 'outside'), join(directory, 'link'));
    symlinkSync(join(directory, 'a'), join(directory, 'inner'));
    const value = async (text: string) => {
      const found = await resolveSecretRef(text, from);
      return found.ok ? found.secret.reveal() : found.why;
    };
    expect(await value('vault:secret/data/a#f')).toBe('from-store');
    expect(await value('vault:secret/data/b#f')).toBe('secret/data/b#f is not set');
    expect(await value('env:FLUXGATE_SECRET_A')).toBe('from-env');
    expect(await value('env:FLUXGATE_SECRET_B')).toMatch(/is not set/);
    expect(await value(`file:${directory}/a`)).toBe('from-file');
    expect(await value(`file:${directory}/inner`)).toBe('from-file');
    expect(await value(`file:${directory}/link`)).toMatch(/leads out/);
    expect(await value(`file:${directory}/none`)).toMatch(/ENOENT/);
    expect(await value('file:/etc/passwd')).toMatch(/not in the secrets directory/);
  });
});
