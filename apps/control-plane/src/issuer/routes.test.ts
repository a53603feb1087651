import { expect, test } from '@jest/globals';
import { addressesOf, basePathOf, metadataOf } from './addresses.ts';
import { parseForm } from './form.ts';
import { isOAuthError } from './oauth-error.ts';
import { readPresented } from './presented.ts';

test('the issuer of a realm is the base itself or lies below it, and all of its addresses follow', () => {
  const at = (url: string | null) => ({ baseUrl: () => url });
  expect(addressesOf(at('https://gw.example.com/auth'), 'live')?.token).toBe('https://gw.example.com/auth/oauth2/token');
  const staging = addressesOf(at('https://gw.example.com'), 'staging');
  expect(staging).toEqual({
    issuer: 'https://gw.example.com/realms/staging',
    token: 'https://gw.example.com/realms/staging/oauth2/token',
    introspect: 'https://gw.example.com/realms/staging/oauth2/introspect',
    revoke: 'https://gw.example.com/realms/staging/oauth2/revoke',
    jwks: 'https://gw.example.com/realms/staging/oauth2/jwks',
  });
  expect(addressesOf(at(null), 'live')).toBeNull();
  expect([basePathOf('https://gw.example.com/auth'), basePathOf('https://gw.example.com'), basePathOf(null)]).toEqual([
    '/auth',
    '',
    '',
  ]);
  expect(JSON.stringify(metadataOf(staging as NonNullable<typeof staging>))).not.toContain('none');
});

test('a form is read once: repeated parameters, broken escapes and too many are refused; resource may come twice', () => {
  for (const text of ['a=1&a=2', 'a=%', 'a=%f', 'a=%c3%28', Array(65).fill('x=1').join('&')])
    expect([text.slice(0, 20), isOAuthError(parseForm(text))]).toEqual([text.slice(0, 20), true]);
  const form = parseForm('a=b+c%2B&resource=x&resource=y&empty=&alone');
  if (isOAuthError(form)) throw new Error(form.description);
  expect([form.one('a'), form.many('resource'), form.one('empty'), form.one('alone'), form.one('constructor')]).toEqual([
    'b c+',
    ['x', 'y'],
    null,
    null,
    null,
  ]);
});

test('two Authorization headers, or two ways at once, are one too many', () => {
  const form = (text: string) => {
    const read = parseForm(text);
    if (isOAuthError(read)) throw new Error(read.description);
    return read;
  };
  const basic = `Basic ${Buffer.from('id:secret').toString('base64')}`;
  expect(readPresented([basic], form(''))).toEqual({ method: 'client_secret_basic', clientId: 'id', secret: 'secret' });
  for (const [headers, text] of [
    [[basic, basic], ''],
    [[basic], 'client_secret=x'],
    [[basic], 'client_assertion=x'],
    [[], 'client_secret=x&client_assertion=x&client_id=y'],
    [['Bearer x'], 'client_assertion_type=x'],
  ] as [string[], string][])
    expect(readPresented(headers, form(text))).toMatchObject({ oauthError: 'invalid_request' });
  expect(readPresented([], form('client_id=x'))).toMatchObject({ oauthError: 'invalid_client' });
});
